//! Compiles the code of every reference of the kernel cache, with the instrumentation that the Rust of this build has.
//!
//! Reads the cache, never the network. What is compiled, and the table that the tool includes, is made by the crate in
//! `crates/extract/`; here is the compiler alone. A reference that cannot be cut or compiled is left out, with the reason.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rmap_extract::cache::{self, Reference};
use rmap_extract::instrumentation::Instrumentation;
use rmap_extract::prepare::Recipe;
use rmap_extract::{compiler_errors, mutants, parallel, table};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How the kernel's text is to be read. Warnings stay on, unseen: `-w` would take back each -Werror.
const C_FLAGS: &str = "-std=gnu11 -fno-strict-aliasing -fwrapv -fno-omit-frame-pointer \
    -Werror=implicit-function-declaration -Werror=int-conversion -Werror=incompatible-pointer-types";

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
    let recipe = Recipe::load(&csrc, mutated)?;
    let compiler = Compiler::choose(csrc, mutated)?;
    let rows = parallel::map(&references, |number, reference| {
        row(&recipe, &compiler, reference, number, &out).map_err(|error| error.to_string())
    });
    let table = table::Table::of(&references, rows)?;
    table.left_out.iter().for_each(|reason| println!("cargo::warning={reason}"));
    Ok(fs::write(out.join("references.rs"), table.rust)?)
}

/// Compiles a reference: its row in the table. A tree whose VMA code cannot be used is a reference without.
fn row(recipe: &Recipe, compiler: &Compiler, reference: &Reference, number: usize, out: &Path) -> Result<String> {
    let mut prepared = recipe.prepare(reference, out.join("references").join(&reference.name))?;
    let ops = format!("rmap_ops_{number}");
    let layer_ops = format!("{ops}_vma");
    let not_counted = compiler.not_counted(reference)?;
    let counted = not_counted.is_none();
    compiler.compile(&prepared.dir, &ops, false, counted)?;
    let layer = prepared.add_layer().map_err(Into::into);
    let layer = layer.and_then(|()| compiler.compile(&prepared.dir, &layer_ops, true, counted));
    let layer = layer.map(|()| layer_ops.as_str()).map_err(|error| error.to_string());
    if compiler.mutants.is_some() {
        let mut texts = vec![compiler.build(&prepared.dir, &ops, false, false)?.0.try_expand()?];
        match &layer {
            Ok(ops) => texts.push(compiler.build(&prepared.dir, ops, true, false)?.0.try_expand()?),
            Err(reason) => println!("cargo::warning={}: no kernel driver: {reason}", reference.name),
        }
        let not_understood = prepared.write_mutants(&texts)?;
        not_understood.iter().for_each(|place| println!("cargo::warning={place}: not understood: no mutants"));
    }
    Ok(table::row(&prepared, &ops, layer.as_deref().map_err(String::as_str), not_counted))
}

/// The C compiler.
struct Compiler {
    csrc: PathBuf,
    instrumentation: Instrumentation,
    /// Of a build with mutants: the header that comes before every text, and the file that defines what it declares.
    mutants: Option<[PathBuf; 2]>,
}

impl Compiler {
    fn choose(csrc: PathBuf, mutated: bool) -> Result<Compiler> {
        let instrumentation = Instrumentation::of_build()?;
        if instrumentation.address {
            println!("cargo::rustc-cfg=rmap_sanitize_address");
        }
        instrumentation.doubt.iter().for_each(|doubt| println!("cargo::warning={doubt}"));
        let mutants = mutated.then(|| [mutants::HEADER, "mutants.c"].map(|name| csrc.join(name)));
        if let Some([_, file]) = &mutants {
            println!("cargo::rustc-cfg=rmap_mutants");
            cc::Build::new().file(file).opt_level(2).try_compile("rmap_mutants")?;
        }
        Ok(Compiler { csrc, instrumentation, mutants })
    }

    /// Why the runs of a reference's changed lines are not counted, if they are not.
    fn not_counted(&self, reference: &Reference) -> Result<Option<&'static str>> {
        Ok(if reference.note.changed.is_empty() {
            Some("no line is known to be changed")
        } else if !self.instrumentation.flags.is_empty() || self.mutants.is_some() {
            Some("the build is instrumented in another way")
        } else if !cc::Build::new().try_get_compiler()?.is_like_gnu()
            || !cc::Build::new().is_flag_supported("-fprofile-info-section=rmap_gcov")?
        {
            Some("the C compiler is no gcc of version 11 or newer")
        } else {
            None
        })
    }

    /// Makes a library of a reference's text; `counted`: one that counts how often each line runs.
    fn compile(&self, dir: &Path, ops: &str, layer: bool, counted: bool) -> Result<()> {
        let [object, linked] = ["o", "so"].map(|extension| dir.join(ops).with_extension(extension));
        let (build, unit) = self.build(dir, ops, layer, counted)?;
        compiler_errors::succeed(build.try_get_compiler()?.to_command().arg("-c").arg(unit).arg("-o").arg(&object))?;
        // Linked by itself first: a symbol that nobody defines must not break the whole binary.
        let mut link = cc::Build::new().try_get_compiler()?.to_command();
        link.args(["-shared", "-Wl,-z,defs", "-o"]).arg(&linked).arg(&object);
        if let Some([_, file]) = &self.mutants {
            link.arg("-fPIC").arg(file);
        }
        if counted {
            link.arg("-lgcov");
        }
        compiler_errors::succeed(&mut link)?;
        let _ = fs::remove_file(&linked);
        let object = if counted { self.with_counters(dir, ops, &object)? } else { object };
        cc::Build::new().object(&object).out_dir(dir).try_compile(ops)?;
        if counted {
            println!("cargo::rustc-link-lib=gcov");
        }
        Ok(())
    }

    /// The object of a reference whose lines are counted, with what tells the counters. Both must be one object: the section of
    /// the counters stays in the binary because this object mentions its own part of it.
    fn with_counters(&self, dir: &Path, ops: &str, object: &Path) -> Result<PathBuf> {
        let [source, teller, both] = ["c", "o", "both.o"].map(|end| dir.join(format!("{ops}_counters.{end}")));
        fs::write(&source, "#include \"coverage.c\"\n")?;
        let mut build = cc::Build::new();
        build.include(&self.csrc).define("RMAP_OPS", ops).cargo_warnings(false);
        let compiler = build.try_get_compiler()?;
        compiler_errors::succeed(compiler.to_command().arg("-c").arg(&source).arg("-o").arg(&teller))?;
        let link = &mut cc::Build::new().try_get_compiler()?.to_command();
        compiler_errors::succeed(link.args(["-r", "-nostdlib", "-o"]).arg(&both).arg(object).arg(&teller))?;
        Ok(both)
    }

    /// How a reference's text is compiled, and the file that the compiler is given: coverage tells the static functions of
    /// two units apart by its name.
    fn build(&self, dir: &Path, ops: &str, layer: bool, counted: bool) -> Result<(cc::Build, PathBuf)> {
        let unit = dir.join(ops).with_extension("c");
        fs::write(&unit, "#include \"reference.c\"\n")?;
        let mut build = cc::Build::new();
        if let Some(clang) = &self.instrumentation.clang {
            build.compiler(clang);
        }
        if layer {
            // What an older kernel calls `inline` is no definition with external linkage.
            build.define("RMAP_VMA_LAYER", None).flag("-fgnu89-inline");
        }
        if counted {
            // The counters lie in a section of their own, where csrc/coverage.c finds them: nothing is written at the end.
            build.flag("-fprofile-arcs").flag("-ftest-coverage");
            build.flag(format!("-fprofile-info-section={ops}_gcov"));
        }
        if let Some([header, _]) = &self.mutants {
            build.flag("-include").flag(header);
            // A mutant that drops an initialisation is to be the same one under each compiler.
            build.flag_if_supported("-ftrivial-auto-var-init=pattern");
        }
        build
            .file(&unit)
            .includes([self.csrc.join("include"), self.csrc.clone(), dir.to_owned(), dir.join("include")])
            .define("RMAP_OPS", ops)
            .flags(C_FLAGS.split(' '))
            .flags(&self.instrumentation.flags)
            // Optimised in a debug build too; not where the profile says 0, which builds the fastest.
            // Nor where lines are counted: an optimised one may have no code of its own.
            .opt_level(if counted || env::var("OPT_LEVEL").is_ok_and(|level| level == "0") { 0 } else { 2 })
            // As the profile has it: a report's line numbers need none of it, a debugger does.
            .debug(env::var("DEBUG").is_ok_and(|debug| debug != "false" && debug != "0"))
            .cargo_warnings(false);
        Ok((build, unit))
    }
}
