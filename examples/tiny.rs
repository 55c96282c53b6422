//! Input, output and numbers for jobs in Rust without its standard library, which is larger than a box takes.
//!
//! `mod tiny;` in a job; what is not called takes no room.  Output is buffered: end with
//! `Out::flush`.  An error ends the job: one line on stderr, exit code 1.
#![allow(dead_code)]

/// A piece of memory, as WASI wants it: address and size.
#[repr(C)]
struct Vector {
    at: *const u8,
    size: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn args_get(pointers: *mut *const u8, texts: *mut u8) -> u16;
    fn args_sizes_get(count: *mut usize, size: *mut usize) -> u16;
    fn fd_read(file: u32, vectors: *const Vector, count: usize, done: *mut usize) -> u16;
    fn fd_write(file: u32, vectors: *const Vector, count: usize, done: *mut usize) -> u16;
    fn proc_exit(code: u32) -> !;
}

/// Ends the job with this exit code; the text goes to stderr, and its beginning into the receipt.
pub fn fail_with(code: u32, text: &str) -> ! {
    let parts = [Vector { at: text.as_ptr(), size: text.len() }, Vector { at: "\n".as_ptr(), size: 1 }];
    let mut done = 0;
    unsafe {
        fd_write(2, parts.as_ptr(), 2, &mut done);
        proc_exit(code)
    }
}

/// `fail_with`, exit code 1.
pub fn fail(text: &str) -> ! {
    fail_with(1, text)
}

/// What a panic does: exit code 101, after one line on stderr.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    fail_with(101, "panicked")
}

/// Bytes of stdin into the buffer; how many there were, 0 at the end.
pub fn read(buffer: &mut [u8]) -> usize {
    let vector = Vector { at: buffer.as_mut_ptr(), size: buffer.len() };
    let mut done = 0;
    if unsafe { fd_read(0, &vector, 1, &mut done) } != 0 {
        fail("cannot read stdin")
    }
    done
}

/// Buffered output.
pub struct Out {
    buffer: [u8; 512],
    used: usize,
}

impl Out {
    pub const fn new() -> Out {
        Out { buffer: [0; 512], used: 0 }
    }

    /// Writes what is buffered to stdout.
    pub fn flush(&mut self) {
        let mut at = 0;
        while at < self.used {
            let rest = Vector { at: self.buffer[at..].as_ptr(), size: self.used - at };
            let mut done = 0;
            if unsafe { fd_write(1, &rest, 1, &mut done) } != 0 || done == 0 {
                fail("cannot write to stdout")
            }
            at += done;
        }
        self.used = 0;
    }

    /// Puts one byte out.
    pub fn byte(&mut self, byte: u8) {
        if self.used == self.buffer.len() {
            self.flush();
        }
        if let Some(place) = self.buffer.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
    }

    /// Puts a text out.
    pub fn text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.byte(byte);
        }
    }

    /// Puts a number out in decimal.
    pub fn number(&mut self, mut n: u64) {
        let mut size = 1;
        while n / size >= 10 {
            size *= 10;
        }
        while size > 0 {
            self.byte(b'0' + (n / size) as u8);
            n %= size;
            size /= 10;
        }
    }
}

/// Calls `use_it` with argument i, 1 for the first after the program's name; None if there is none.
pub fn arg<T>(i: usize, use_it: impl FnOnce(&[u8]) -> T) -> Option<T> {
    let mut pointers = [core::ptr::null(); 16];
    let mut texts = [0; 512];
    let (mut count, mut size) = (0, 0);
    unsafe {
        if args_sizes_get(&mut count, &mut size) != 0 || count > pointers.len() || size > texts.len() {
            fail("too many arguments, or too long");
        }
        if i >= count || args_get(pointers.as_mut_ptr(), texts.as_mut_ptr()) != 0 {
            return None;
        }
    }
    // Both stand in `texts` now, one behind the other, each with a zero byte at its end.
    texts.split(|byte| *byte == 0).nth(i).map(use_it)
}
