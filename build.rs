//! Compiles the code of every reference of the kernel cache, with the instrumentation that the Rust of this build has.
//!
//! Reads the cache, never the network. What is compiled, and the table that the tool includes, is made by the crate in
//! `crates/extract/`; here is the compiler alone. A reference that cannot be cut or compiled is left out, with the reason.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rmap_extract::cache::{self, Reference};
use rmap_extract::compile::{Compiler, Unit};
use rmap_extract::prepare::Recipe;
use rmap_extract::{parallel, table};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=csrc");
    for variable in ["RMAP_CACHE", "XDG_CACHE_HOME", "RMAP_CLANG", "RMAP_MUTANTS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rustc-check-cfg=cfg(rmap_sanitize_address, rmap_mutants)");
    let Err(error) = build() else { return ExitCode::SUCCESS };
    error.to_string().lines().for_each(|line| println!("cargo::error={line}"));
    ExitCode::FAILURE
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let csrc = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("csrc");
    println!("cargo::rerun-if-changed={}", cache::cache_dir()?.display());
    bindgen::Builder::default()
        .header(csrc.join("rmap_abi.h").display().to_string())
        .allowlist_item("(rmap|RMAP)_.*")
        .rustified_enum("rmap_.*")
        .derive_default(true)
        .layout_tests(false)
        .generate()?
        .write_to_file(out.join("abi.rs"))?;

    let mutated = env::var_os("RMAP_MUTANTS").is_some_and(|value| !value.is_empty() && value != "0");
    let references = cache::references()?;
    if mutated {
        println!("cargo::rerun-if-changed=tests/unreached.toml");
    }
    let recipe = Recipe::load(&csrc, mutated)?;
    let compiler = Compiler::of_build(csrc, mutated)?;
    if compiler.instrumentation.address {
        println!("cargo::rustc-cfg=rmap_sanitize_address");
    }
    compiler.instrumentation.doubt.iter().for_each(|doubt| println!("cargo::warning={doubt}"));
    if let Some(file) = compiler.mutants() {
        println!("cargo::rustc-cfg=rmap_mutants");
        cc::Build::new().file(file).opt_level(2).try_compile("rmap_mutants")?;
    }
    if let Some(file) = compiler.accesses() {
        cc::Build::new().file(file).opt_level(2).try_compile("rmap_accesses")?;
    }
    // An archive is named by the number of its reference: one of a build with other references, left behind, would be linked
    // in the place of the right one.
    match fs::remove_dir_all(out.join("references")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let rows = parallel::map(&references, |number, reference| {
        row(&recipe, &compiler, reference, number, &out).map_err(|error| error.to_string())
    });
    let table = table::Table::of(&references, rows)?;
    table.left_out.iter().for_each(|(name, reason)| println!("cargo::warning={name}: left out: {reason}"));
    Ok(fs::write(out.join("references.rs"), table.rust)?)
}

/// Compiles a reference: its row in the table. A tree whose VMA code cannot be used is a reference without.
fn row(recipe: &Recipe, compiler: &Compiler, reference: &Reference, number: usize, out: &Path) -> Result<String> {
    let mut prepared = recipe.prepare(reference, out.join("references").join(&reference.name))?;
    let dir = prepared.dir.clone();
    let archive = |ops: &str, unit: Unit, counted: bool| -> Result<()> {
        let object = compiler.object(&dir, ops, unit, counted)?;
        cc::Build::new().object(object).out_dir(&dir).try_compile(ops)?;
        if counted {
            println!("cargo::rustc-link-lib=gcov");
        }
        Ok(())
    };
    let ops = format!("rmap_ops_{number}");
    let layer_ops = format!("{ops}_vma");
    let not_counted = compiler.not_counted(reference)?;
    archive(&ops, Unit::Rmap, not_counted.is_none())?;
    let layer = prepared.add_layer().map_err(Into::into);
    let layer = layer.and_then(|()| archive(&layer_ops, Unit::Vma, not_counted.is_none()));
    let layer = layer.map(|()| layer_ops.as_str()).map_err(|error| error.to_string());
    let pages_ops = format!("{ops}_pages");
    let pages = prepared.add_pages().map_err(Into::into);
    let pages = pages.and_then(|()| archive(&pages_ops, Unit::Pages, not_counted.is_none()));
    let pages = pages.map(|()| pages_ops.as_str()).map_err(|error: Box<dyn std::error::Error>| error.to_string());
    if compiler.mutants().is_some() {
        let mut texts = vec![compiler.preprocessed(&dir, &ops, Unit::Rmap)?];
        match &layer {
            Ok(ops) => texts.push(compiler.preprocessed(&dir, ops, Unit::Vma)?),
            Err(reason) => println!("cargo::warning={}: no kernel driver: {reason}", reference.name),
        }
        if let Ok(ops) = &pages {
            texts.push(compiler.preprocessed(&dir, ops, Unit::Pages)?);
        }
        let not_understood = prepared.write_mutants(&texts)?;
        not_understood.iter().for_each(|place| println!("cargo::warning={place}: not understood: no mutants"));
    }
    prepared.list_share(pages.as_ref().err().map(String::as_str))?;
    let units = table::Units {
        ops: &ops,
        layer: layer.as_deref().map_err(String::as_str),
        pages: pages.as_deref().map_err(String::as_str),
    };
    Ok(table::row(&prepared, &units, not_counted))
}
