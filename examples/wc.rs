//! wc: how much text there is.
//!
//! stdin:  text, any bytes.
//! stdout: lines, words, bytes, and the length of the longest line, as `lines 3` and so on;
//!         with arguments only those named, in their order.
//!
//! A word is a longest run of bytes other than blanks (space, tab, newline, carriage
//! return, form feed, vertical tab).  A last line without a newline is a line too.
#![no_std]
#![no_main]

mod tiny;

#[derive(Default)]
struct Counts {
    lines: u64,
    words: u64,
    bytes: u64,
    longest: u64,
    length: u64,
    in_word: bool,
}

impl Counts {
    fn take(&mut self, byte: u8) {
        self.bytes += 1;
        self.length += (byte != b'\n') as u64;
        self.longest = self.longest.max(self.length);
        let blank = matches!(byte, b' ' | 9..=13);
        self.words += (!blank && !self.in_word) as u64;
        self.in_word = !blank;
        if byte == b'\n' {
            self.lines += 1;
            self.length = 0;
        }
    }

    fn named(&self, name: &[u8]) -> Option<(&'static str, u64)> {
        match name {
            b"lines" => Some(("lines", self.lines + (self.length > 0) as u64)),
            b"words" => Some(("words", self.words)),
            b"bytes" => Some(("bytes", self.bytes)),
            b"longest" => Some(("longest", self.longest)),
            _ => None,
        }
    }
}

fn put(out: &mut tiny::Out, counts: &Counts, name: &[u8]) {
    match counts.named(name) {
        Some((name, count)) => {
            out.text(name);
            out.byte(b' ');
            out.number(count);
            out.byte(b'\n');
        }
        None => tiny::fail("wc: the arguments may be lines, words, bytes and longest"),
    }
}

#[no_mangle]
pub extern "C" fn _start() {
    let mut buffer = [0; 1024];
    let mut counts = Counts::default();
    loop {
        let n = tiny::read(&mut buffer);
        if n == 0 {
            break;
        }
        for byte in buffer.iter().take(n) {
            counts.take(*byte);
        }
    }
    let mut out = tiny::Out::new();
    let mut i = 1;
    while tiny::arg(i, |name| put(&mut out, &counts, name)).is_some() {
        i += 1;
    }
    if i == 1 {
        for name in ["lines", "words", "bytes", "longest"] {
            put(&mut out, &counts, name.as_bytes());
        }
    }
    out.flush();
}
