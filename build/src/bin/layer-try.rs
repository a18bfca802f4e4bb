//! Scratch.
#![allow(missing_docs)]
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use rmap_extract::{extract::closure, manifest::Manifest, syntax::{SourceFile, Kind}};
fn headers(dir: &Path, out: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap() { let p = e.unwrap().path(); if p.is_dir() { headers(&p, out) } else { out.push(p) } }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let m = Manifest::load(Path::new("csrc/vma.toml")).unwrap();
    let mut provided: HashSet<String> = m.layer.provided.iter().cloned().collect();
    for dir in &m.layer.stand_ins { let mut v = vec![]; let d = Path::new("csrc").join(dir); if d.is_file() { v.push(d) } else { headers(&d, &mut v) };
        for f in v { let t = std::fs::read_to_string(&f).unwrap(); let s = SourceFile::parse("x", t).unwrap();
            for d in &s.definitions { if d.kind != Kind::Declaration || true { provided.insert(d.name.clone()); provided.extend(d.enumerators.iter().cloned()); } } } }
    let wholes = &m.whole;
    for w in wholes { let p = Path::new(&a[1]).join(&w.file); if let Ok(t) = std::fs::read_to_string(&p) { let s = SourceFile::parse("x", t).unwrap(); for d in &s.definitions { provided.insert(d.name.clone()); provided.extend(d.enumerators.iter().cloned()); } } }
    let c = closure::cut_layer(Path::new(&a[1]), &m, &provided).unwrap_or_else(|e| panic!("{e}"));
    let out = Path::new(&a[2]);
    std::fs::create_dir_all(out).unwrap();
    for (f, t) in c.files(&m.layer) { std::fs::write(out.join(f), t).unwrap(); }
    eprintln!("types {} prototypes {} code {} open {}", c.types.len(), c.prototypes.len(), c.code.len(), c.open_calls.len());
    if a.len() > 3 { let mut by: std::collections::BTreeMap<String, Vec<String>> = Default::default(); for p in c.types.iter().chain(&c.code) { by.entry(p.file.clone()).or_default().push(p.symbol.clone()); } for (f, s) in by { println!("{f}: {}", s.join(" ")); } println!("OPEN {}", c.open_calls.join(" ")); }
}
