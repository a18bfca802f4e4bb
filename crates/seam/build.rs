//! Reads the numbers of the C interface from csrc/rmap_abi.h, where alone they stand.
//!
//! The header keeps to lines that this reads without a C compiler: `NAME = number,` of an enumerator, and
//! `#define NAME number`. An enumerator without a number is an error.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../csrc/rmap_abi.h");

fn main() {
    println!("cargo::rerun-if-changed={HEADER}");
    let text = fs::read_to_string(HEADER).unwrap_or_else(|error| panic!("{HEADER}: {error}"));
    let mut out = String::new();
    for (line, number) in text.lines().zip(1..) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, value) = match words[..] {
            ["#define", name, value, ..] => (name, value),
            [name, "=", value, ..] if name.starts_with("RMAP_") => (name, value.trim_end_matches(',')),
            [name, ..] if name.starts_with("RMAP_") => panic!("{HEADER}:{number}: `{name}` has no value: give it one"),
            _ => continue,
        };
        let parsed = match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.parse(),
        };
        match parsed {
            Ok(value) => writeln!(out, "pub(crate) const {name}: u64 = {value};").expect("a string takes all"),
            // RMAP_NONE is a macro of <stdint.h>.
            Err(_) if name == "RMAP_NONE" => {}
            Err(_) => panic!("{HEADER}:{number}: `{value}` of `{name}` is not a number"),
        }
    }
    let path = Path::new(&env::var_os("OUT_DIR").expect("cargo gives one")).join("abi.rs");
    fs::write(&path, out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
