//! How a reference's text is compiled: by the build script, with the instrumentation that the Rust of the build has; and
//! when a tree is added or checked, to see whether it would be.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cache::Reference;
use crate::compiler_errors::{self, CompilerError};
use crate::instrumentation::{Instrumentation, InstrumentationError};
use crate::mutants;
use crate::prepare::{PrepareError, Prepared, Recipe};

/// How the kernel's text is to be read. Warnings stay on, unseen: `-w` would take back each -Werror.
const C_FLAGS: &str = "-std=gnu11 -fno-strict-aliasing -fwrapv -fno-omit-frame-pointer \
    -Werror=implicit-function-declaration -Werror=int-conversion -Werror=incompatible-pointer-types";

/// What makes clang call a function before each load and store, csrc/accesses.c.
const ACCESS_FLAGS: &str = "-fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0 -mllvm -tsan-instrument-atomics=0 \
    -mllvm -tsan-distinguish-volatile=1 -mllvm -tsan-instrument-read-before-write=1 -DRMAP_ACCESSES";

/// The kernel's text, or the stubs', does not become an object file.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// What the compiler or the linker complains of.
    #[error(transparent)]
    Compiler(#[from] CompilerError),
    /// The C cannot be instrumented.
    #[error(transparent)]
    Instrumentation(#[from] InstrumentationError),
    /// The text cannot be cut.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// No compiler can be called.
    #[error("{0}")]
    Build(String),
    /// A file cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl From<cc::Error> for CompileError {
    fn from(error: cc::Error) -> CompileError {
        CompileError::Build(error.to_string())
    }
}

/// How much of a kernel one object file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// The reverse map alone.
    Rmap,
    /// With the VMA code above it.
    Vma,
    /// With the page-table code too, and all of `mm/rmap.c`.
    Pages,
}

/// The C compiler, with the flags for the kernel's text.
#[derive(Debug)]
pub struct Compiler {
    csrc: PathBuf,
    /// What the C is instrumented with.
    pub instrumentation: Instrumentation,
    /// Of a build with mutants: the header that comes before every text, and the file that defines what it declares.
    mutants: Option<[PathBuf; 2]>,
    /// Called by no build script: what cargo would say of the target is not there.
    alone: bool,
}

impl Compiler {
    /// That of the build whose script asks: cargo tells the flags in the environment.
    ///
    /// # Errors
    /// If the C cannot be instrumented as the Rust is.
    pub fn of_build(csrc: PathBuf, mutated: bool) -> Result<Compiler, CompileError> {
        let mutants = mutated.then(|| [mutants::HEADER, "mutants.c"].map(|name| csrc.join(name)));
        Ok(Compiler { csrc, instrumentation: Instrumentation::of_build()?, mutants, alone: false })
    }

    /// One without instrumentation, to see whether a text compiles.
    pub fn plain(csrc: PathBuf) -> Compiler {
        Compiler { csrc, instrumentation: Instrumentation::default(), mutants: None, alone: true }
    }

    /// The file that defines what the mutants' header declares, in a build with mutants.
    pub fn mutants(&self) -> Option<&Path> {
        self.mutants.as_ref().map(|[_, file]| file.as_path())
    }

    /// The file that is told loads and stores, in a build that tells them.
    pub fn accesses(&self) -> Option<PathBuf> {
        self.instrumentation.accesses.then(|| self.csrc.join("accesses.c"))
    }

    /// Compiles a reference's text below `dir`, as much of it as `unit` holds; the table of its functions is the symbol `ops`.
    /// `counted`: it counts how often each line runs. Returns the object file.
    ///
    /// # Errors
    /// With the first error of the compiler or of the linker. Linked by itself first: a symbol that nobody defines must not
    /// break the whole binary.
    pub fn object(&self, dir: &Path, ops: &str, unit: Unit, counted: bool) -> Result<PathBuf, CompileError> {
        let [object, linked] = ["o", "so"].map(|extension| dir.join(ops).with_extension(extension));
        let (build, file) = self.unit(dir, ops, unit, counted)?;
        compiler_errors::succeed(build.try_get_compiler()?.to_command().arg("-c").arg(file).arg("-o").arg(&object))?;
        let mut link = self.build().try_get_compiler()?.to_command();
        link.args(["-shared", "-Wl,-z,defs", "-o"]).arg(&linked).arg(&object);
        if let Some([_, file]) = &self.mutants {
            link.arg("-fPIC").arg(file);
        }
        if let Some(file) = self.accesses() {
            link.arg("-fPIC").arg(file);
        }
        if counted {
            link.arg("-lgcov");
        }
        compiler_errors::succeed(&mut link)?;
        let _ = fs::remove_file(&linked);
        if counted { self.with_counters(dir, ops, &object) } else { Ok(object) }
    }

    /// Why the runs of a reference's changed lines are not counted, if they are not.
    ///
    /// # Errors
    /// If no compiler can be called.
    pub fn not_counted(&self, reference: &Reference) -> Result<Option<&'static str>, CompileError> {
        Ok(if reference.note.changed.is_empty() {
            Some("no line is known to be changed")
        } else if !self.instrumentation.flags.is_empty() || self.mutants.is_some() || self.instrumentation.accesses {
            Some("the build is instrumented in another way")
        } else if !self.build().try_get_compiler()?.is_like_gnu()
            || !self.build().is_flag_supported("-fprofile-info-section=rmap_gcov")?
        {
            Some("the C compiler is no gcc of version 11 or newer")
        } else {
            None
        })
    }

    /// The object of a reference whose lines are counted, with what tells the counters. Both must be one object: the section of
    /// the counters stays in the binary because this object mentions its own part of it.
    fn with_counters(&self, dir: &Path, ops: &str, object: &Path) -> Result<PathBuf, CompileError> {
        let [source, teller, both] = ["c", "o", "both.o"].map(|end| dir.join(format!("{ops}_counters.{end}")));
        let failed = |error| CompileError::Io { path: source.clone(), error };
        fs::write(&source, "#include \"coverage.c\"\n").map_err(failed)?;
        let mut build = self.build();
        build.include(&self.csrc).define("RMAP_OPS", ops).cargo_warnings(false);
        let compiler = build.try_get_compiler()?;
        compiler_errors::succeed(compiler.to_command().arg("-c").arg(&source).arg("-o").arg(&teller))?;
        let link = &mut self.build().try_get_compiler()?.to_command();
        compiler_errors::succeed(link.args(["-r", "-nostdlib", "-o"]).arg(&both).arg(object).arg(&teller))?;
        Ok(both)
    }

    /// The same text after the preprocessor.
    ///
    /// # Errors
    /// If it cannot be preprocessed.
    pub fn preprocessed(&self, dir: &Path, ops: &str, unit: Unit) -> Result<Vec<u8>, CompileError> {
        Ok(self.unit(dir, ops, unit, false)?.0.try_expand()?)
    }

    fn build(&self) -> cc::Build {
        let mut build = cc::Build::new();
        if self.alone {
            let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
            build.target(&target).host(&target).opt_level(1).debug(false).cargo_metadata(false);
        }
        build
    }

    /// How a reference's text is compiled, and the file that the compiler is given: coverage tells the static functions of
    /// two units apart by its name.
    fn unit(&self, dir: &Path, ops: &str, unit: Unit, counted: bool) -> Result<(cc::Build, PathBuf), CompileError> {
        let file = dir.join(ops).with_extension("c");
        fs::write(&file, "#include \"reference.c\"\n")
            .map_err(|error| CompileError::Io { path: file.clone(), error })?;
        let mut build = self.build();
        if let Some(clang) = &self.instrumentation.clang {
            build.compiler(clang);
        }
        if unit != Unit::Rmap {
            // What an older kernel calls `inline` is no definition with external linkage.
            build.define("RMAP_VMA_LAYER", None).flag("-fgnu89-inline");
        }
        if counted {
            // The counters lie in a section of their own, where csrc/coverage.c finds them: nothing is written at the end.
            // Several threads count.
            build.flag("-fprofile-arcs").flag("-ftest-coverage").flag("-fprofile-update=atomic");
            build.flag(format!("-fprofile-info-section={ops}_gcov"));
        }
        if let Some([header, _]) = &self.mutants {
            build.flag("-include").flag(header);
            // A mutant that drops an initialisation is to be the same one under each compiler.
            build.flag_if_supported("-ftrivial-auto-var-init=pattern");
        }
        if unit == Unit::Pages && self.instrumentation.accesses {
            build.flags(ACCESS_FLAGS.split_whitespace());
        }
        if unit == Unit::Pages {
            // Its stand-ins come before the others of the same name.
            build.define("RMAP_PAGES", None).include(self.csrc.join("pages/include"));
        }
        build
            .file(&file)
            .includes([self.csrc.join("include"), self.csrc.clone(), dir.to_owned(), dir.join("include")])
            .define("RMAP_OPS", ops)
            .flags(C_FLAGS.split(' '))
            .flags(&self.instrumentation.flags)
            .cargo_warnings(false);
        // Where lines are counted nothing is optimised: a line might have no code of its own. Else it is in a debug build too;
        // not where the profile says 0, which builds the fastest.
        let plain = counted || (!self.alone && env::var("OPT_LEVEL").is_ok_and(|level| level == "0"));
        if plain {
            build.opt_level(0);
        } else if !self.alone {
            build.opt_level(2);
        }
        if !self.alone {
            // As the profile has it: a report's line numbers need none of it, a debugger does.
            build.debug(env::var("DEBUG").is_ok_and(|debug| debug != "false" && debug != "0"));
        }
        Ok((build, file))
    }
}

/// What a build would make of a reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// Why its text cannot be compiled, so that a build leaves it out.
    pub left_out: Option<String>,
    /// Why its VMA code cannot be used, so that it runs with the model.
    pub without_vma_code: Option<String>,
    /// Why its page-table code cannot be used.
    pub without_pages: Option<String>,
}

/// Cuts and compiles a reference as a build does, below `dir`.
///
/// # Errors
/// If there is no C compiler, or `csrc` cannot be read: this says nothing about the reference.
pub fn trial(reference: &Reference, dir: &Path) -> Result<Trial, CompileError> {
    let csrc = csrc();
    let recipe = Recipe::load(&csrc, false)?;
    let compiler = Compiler::plain(csrc);
    let why = |result: Result<(), CompileError>| match result {
        Ok(()) => Ok(None),
        Err(error @ (CompileError::Build(_) | CompileError::Compiler(CompilerError::Absent { .. }))) => Err(error),
        Err(error) => Ok(Some(error.to_string())),
    };
    let counted = compiler.not_counted(reference)?.is_none();
    let compile = |prepared: &Prepared, unit: Unit| compiler.object(&prepared.dir, "trial", unit, counted).map(drop);
    let mut prepared = match recipe.prepare(reference, dir.to_owned()) {
        Ok(prepared) => prepared,
        Err(error) => {
            return Ok(Trial { left_out: Some(error.to_string()), without_vma_code: None, without_pages: None });
        }
    };
    let left_out = why(compile(&prepared, Unit::Rmap))?;
    let layer = prepared.add_layer().map_err(CompileError::from).and_then(|()| compile(&prepared, Unit::Vma));
    let pages = prepared.add_pages().map_err(CompileError::from).and_then(|()| compile(&prepared, Unit::Pages));
    Ok(Trial { left_out, without_vma_code: why(layer)?, without_pages: why(pages)? })
}

/// The stubs and stand-ins of this checkout.
pub fn csrc() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).join("csrc")
}
