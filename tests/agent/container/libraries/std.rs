//! std: what a Rust program with the standard library asks of WASI, and what it makes of the answers.
//!
//! stdin: text.  argument 1: "", "panic" or "exit".  Prints nothing that may differ from one
//! host to another.  In several functions, because a box refuses large ones.
use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[inline(never)]
fn surroundings() -> Option<String> {
    for argument in std::env::args().skip(1) {
        println!("argument {}", argument);
    }
    println!("environment {}, {}", std::env::var("HOME").is_err(), std::env::vars().count());
    std::env::args().nth(1)
}

#[inline(never)]
fn first_line() {
    let mut line = String::new();
    let size = io::stdin().read_line(&mut line).expect("a line");
    println!("first line {}, {} bytes", line.trim_end(), size);
}

#[inline(never)]
fn words() -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for line in io::stdin().lock().lines() {
        for word in line.expect("text").split(' ') {
            *counts.entry(word.to_string()).or_default() += 1;
        }
    }
    counts
}

#[inline(never)]
fn times() {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(2));
    println!("slept {}", begin.elapsed() >= Duration::from_millis(2));
    println!("after 1970 {}", SystemTime::now().duration_since(UNIX_EPOCH).is_ok());
}

fn main() {
    let how = surroundings();
    first_line();
    let counts = words();
    for word in ["a", "b", "c"] {
        println!("{:>4} {:#06x}", word, counts.get(word).copied().unwrap_or(0));
    }
    println!("no more: {:?}", io::stdin().read(&mut [0; 4]).ok());
    times();
    writeln!(io::stderr(), "a line on stderr").ok();
    match how.as_deref() {
        Some("panic") => panic!("asked to"),
        Some("exit") => std::process::exit(3),
        _ => io::stdout().flush().expect("stdout"),
    }
}
