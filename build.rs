//! Cuts the anon_vma code out of every reference of the kernel cache and compiles it.
//!
//! Reads the cache, never the network. The extractor, the cache and the detection of the revision
//! are the crate in `crates/extract/`; here is what belongs to this build alone: the compiler, its
//! instrumentation, the bindings, the table of references.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rmap_extract::syntax::Kind;
use rmap_extract::{cache, extract, manifest, mutants, stand_ins};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=csrc");
    for variable in ["RMAP_CACHE", "XDG_CACHE_HOME", "RMAP_CLANG", "RMAP_MUTANTS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rustc-check-cfg=cfg(rmap_sanitize_address)");
    println!("cargo::rustc-check-cfg=cfg(rmap_mutants)");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let csrc = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("csrc");
    let cache_dir = cache::cache_dir()?;
    println!("cargo::rerun-if-changed={}", cache_dir.display());

    bindgen::Builder::default()
        .header(csrc.join("rmap_abi.h").display().to_string())
        .allowlist_item("(rmap|RMAP)_.*")
        .rustified_enum("rmap_.*")
        .derive_default(false)
        .layout_tests(false)
        .generate()?
        .write_to_file(out.join("abi.rs"))?;

    let references = cache::references()?;
    let manifest = manifest::Manifest::load(&csrc.join("manifest.toml"))?;
    let layer = manifest::Manifest::load_layer(&csrc.join("vma.toml"), &manifest)?;
    let mut compiler = Compiler::choose()?;
    let shown = stand_ins::list(&csrc)?;
    let plan = wanted_mutants(&csrc)?;
    if plan.is_some() {
        compiler.mutate(&csrc)?;
    }
    let build = |number: usize, reference: &cache::Reference| -> Result<String> {
        let dir = out.join("references").join(&reference.name);
        let mut cut = extract::extract(reference, &manifest)?;
        let mut mutants = plan.as_ref().map(|plan| {
            let structs = cut.pieces.iter().filter(|piece| piece.kind == Kind::Struct);
            mutants::Schemata::new(plan, structs.map(|piece| piece.text.as_str()))
        });
        if let Some(mutants) = &mut mutants {
            mutants.apply(&mut cut.pieces, true);
        }
        cut.write(&dir, &shown)?;
        let ops = format!("rmap_ops_{number}");
        compiler.compile(&csrc, &dir, &ops, &reference.name)?;
        let layer_ops = format!("{ops}_vma");
        let vma_layer = vma_layer(&compiler, &csrc, &layer, reference, &dir, &layer_ops, mutants.as_mut());
        if let (Some(_), Err(reason)) = (&mutants, &vma_layer) {
            println!("cargo::warning={}: with mutants there is no kernel driver: {reason}", reference.name);
        }
        if let Some(mutants) = mutants {
            compiler.write_mutants(mutants, &csrc, &dir, &ops, vma_layer.is_ok().then_some(&layer_ops))?;
        }
        Ok(row(reference, &cut, &dir, &ops, vma_layer, plan.is_some()))
    };
    let rows = side_by_side(&references, build)?;
    fs::write(
        out.join("references.rs"),
        format!("pub(super) static REFERENCES: &[Reference] = &[\n{}];\n", rows.concat()),
    )?;
    Ok(())
}

/// Does something for each reference, as many at once as cargo allows. The results are in the references' order.
fn side_by_side(
    references: &[cache::Reference],
    work: impl Fn(usize, &cache::Reference) -> Result<String> + Sync,
) -> Result<Vec<String>> {
    let jobs = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<std::result::Result<String, String>>> =
        references.iter().map(|_| Mutex::new(Err(String::new()))).collect();
    std::thread::scope(|scope| {
        for _ in 0..usize::min(jobs, references.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(reference) = references.get(number) else { break };
                    let result = work(number, reference).map_err(|error| error.to_string());
                    *done[number].lock().unwrap_or_else(PoisonError::into_inner) = result;
                }
            });
        }
    });
    let results = done.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(results.collect::<std::result::Result<Vec<_>, _>>()?)
}

/// What is mutated, in a build that is asked for mutants. Such a build is good for nothing else: its kernel text is not the
/// kernel's.
fn wanted_mutants(csrc: &Path) -> Result<Option<mutants::Plan>> {
    if env::var_os("RMAP_MUTANTS").is_none_or(|value| value.is_empty() || value == "0") {
        return Ok(None);
    }
    println!("cargo::rustc-cfg=rmap_mutants");
    Ok(Some(mutants::Plan::parse(&fs::read_to_string(csrc.join("mutants.toml"))?)?))
}

/// A reference's row in the table.
fn row(
    reference: &cache::Reference,
    cut: &extract::Extract,
    dir: &Path,
    ops: &str,
    vma_layer: Result<()>,
    has_mutants: bool,
) -> String {
    let moves_pages = fs::read_to_string(reference.tree().join("mm/userfaultfd.c"))
        .is_ok_and(|text| text.contains("move_present_pte"));
    let table = |ops: &str| {
        format!(
            "|| {{\n            unsafe extern \"C\" {{ static {ops}: abi::rmap_ops; }}\n            \
             // SAFETY: a constant table of the reference's object file, never written.\n            \
             unsafe {{ &{ops} }}\n        }}"
        )
    };
    let vma_layer = match vma_layer {
        Ok(()) => format!("Ok({})", table(&format!("{ops}_vma"))),
        Err(reason) => format!("Err({:?})", reason.to_string()),
    };
    let mutants = match has_mutants {
        true => format!("\n        mutants: include_str!({:?}),", dir.join(MUTANTS)),
        false => String::new(),
    };
    let patches: Vec<String> = reference.note.patches.iter().map(|patch| patch.to_string()).collect();
    format!(
        "    Reference {{\n        name: {:?},\n        version: {:?},\n        revision: {},\n        origin: {:?},\n        \
         patches: &{:?},\n        extract: include_str!({:?}),\n        pieces: include_str!({:?}),\n        ops: {},\n        \
         moves_pages: {moves_pages},\n        vma_layer: {vma_layer},{mutants}\n    }},\n",
        reference.name,
        cut.version.to_string(),
        cut.revision.to_rust_expr(),
        reference.note.origin,
        patches,
        dir.join("extract.txt"),
        dir.join("pieces.json"),
        table(ops),
    )
}

/// Cuts the kernel's VMA code and compiles it with the rest, for the kernel driver. A tree can be used without.
fn vma_layer(
    compiler: &Compiler,
    csrc: &Path,
    layer: &manifest::Manifest,
    reference: &cache::Reference,
    dir: &Path,
    ops: &str,
    mutants: Option<&mut mutants::Schemata>,
) -> Result<()> {
    let provided = extract::closure::provided(csrc, &reference.tree(), layer)?;
    let mut cut = extract::closure::cut_layer(&reference.tree(), layer, &provided)?;
    if let Some(mutants) = mutants {
        mutants.apply(&mut cut.code, false);
    }
    cut.write_to(dir, &layer.layer)?;
    let listing = fs::read_to_string(dir.join("extract.txt"))?;
    let (about, text) = listing.split_once("\nThe text\n").unwrap_or((&listing, ""));
    fs::write(dir.join("extract.txt"), format!("{about}{}\nThe text\n{text}", cut.to_text()))?;
    compiler.compile_layer(csrc, dir, ops)
}

/// How the kernel's text is to be read.
const C_FLAGS: &[&str] = &[
    "-std=gnu11",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-omit-frame-pointer",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
    "-Werror=incompatible-pointer-types",
];

/// And that of the VMA layer: what an older kernel calls `inline` is no definition with external linkage.
const LAYER_FLAGS: &[&str] = &["-fgnu89-inline"];

/// The table of a reference's mutants, beside its text.
const MUTANTS: &str = "mutants.json";

/// Where headers are looked for; `before` comes first.
fn includes(csrc: &Path, dir: &Path, before: &[PathBuf]) -> Vec<PathBuf> {
    let mut dirs = before.to_vec();
    dirs.extend([csrc.join("include"), csrc.to_owned(), dir.to_owned(), dir.join("include")]);
    dirs
}

/// The C compiler, and the instrumentation that the Rust of this build has.
struct Compiler {
    /// clang, where the C must be instrumented; else the `cc` crate's choice.
    clang: Option<PathBuf>,
    flags: Vec<&'static str>,
    /// Of a build with mutants: the header that comes before every text, and the file that defines what it declares.
    mutants: Option<[PathBuf; 2]>,
}

impl Compiler {
    fn choose() -> Result<Compiler> {
        let fuzzing = env::var_os("CARGO_CFG_FUZZING").is_some();
        let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
        let rustflags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
        let mut flags = Vec::new();
        if fuzzing {
            flags.push("-fsanitize=fuzzer-no-link");
        }
        for sanitizer in sanitizers.split(',').filter(|s| !s.is_empty()) {
            match sanitizer {
                "address" => {
                    // With frame pointers, a report's stacks are whole.
                    flags.extend(["-fsanitize=address", "-fno-omit-frame-pointer"]);
                    println!("cargo::rustc-cfg=rmap_sanitize_address");
                }
                other => {
                    return Err(format!(
                        "the C cannot be built for -Zsanitizer={other}: use SANITIZER=address or SANITIZER=none"
                    )
                    .into());
                }
            }
        }
        let counts_lines = rustflags.contains("instrument-coverage");
        if counts_lines {
            flags.extend(["-fprofile-instr-generate", "-fcoverage-mapping"]);
        }
        let clang = if flags.is_empty() { None } else { Some(find_clang(counts_lines)?) };
        Ok(Compiler { clang, flags, mutants: None })
    }

    /// From now on the text has mutants.
    fn mutate(&mut self, csrc: &Path) -> Result<()> {
        let [header, file] = [mutants::HEADER, "mutants.c"].map(|name| csrc.join(name));
        cc::Build::new().file(&file).opt_level(2).try_compile("rmap_mutants")?;
        self.mutants = Some([header, file]);
        Ok(())
    }

    /// Writes the table of those mutants that the compiler has seen, in either text of the reference.
    fn write_mutants(
        &self,
        mut mutants: mutants::Schemata,
        csrc: &Path,
        dir: &Path,
        ops: &str,
        layer_ops: Option<&String>,
    ) -> Result<()> {
        let mut texts = vec![String::from_utf8(self.build(csrc, dir, ops, &[])?.try_expand()?)?];
        if let Some(ops) = layer_ops {
            texts.push(String::from_utf8(self.build_layer(csrc, dir, ops)?.try_expand()?)?);
        }
        mutants.keep_compiled(&texts);
        for place in &mutants.left {
            println!("cargo::warning={place}: not understood, so it has no mutants");
        }
        Ok(fs::write(dir.join(MUTANTS), serde_json::to_string(&mutants.mutants)?)?)
    }

    fn compile(&self, csrc: &Path, dir: &Path, ops: &str, name: &str) -> Result<()> {
        self.build(csrc, dir, ops, &[])?.try_compile(ops).map_err(|error| {
            format!(
                "the reference {name} does not compile: {error}. If a patch of it calls what csrc/ has no stand-in \
                 for, add one there; to go on without it: cargo run -p rmap-extract --bin kernels -- remove {name}"
            )
            .into()
        })
    }

    /// The same with the VMA layer. The error is the compiler's first.
    fn compile_layer(&self, csrc: &Path, dir: &Path, ops: &str) -> Result<()> {
        let build = self.build_layer(csrc, dir, ops)?;
        // Linked by itself first: a symbol that nobody defines must not break the whole binary.
        let mut check = cc::Build::new();
        check.opt_level(0).pic(true).warnings(false).cargo_warnings(false);
        let mut check = check.try_get_compiler()?.to_command();
        check.args(["-shared", "-Wl,-z,defs", "-DRMAP_VMA_LAYER"]).arg(format!("-DRMAP_OPS={ops}")).args(LAYER_FLAGS);
        check.args(C_FLAGS).args(includes(csrc, dir, &[]).iter().map(|dir| format!("-I{}", dir.display())));
        if let Some([header, file]) = &self.mutants {
            check.arg("-include").arg(header).arg(file);
        }
        let output = check.arg(unit(dir, ops)?).arg("-o").arg(dir.join("check.so")).output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let is_error = |line: &&str| line.contains("error") || line.contains("undefined reference");
            let first = errors.lines().find(is_error).unwrap_or("no reason given");
            return Err(format!("its VMA code does not build against csrc/vma: {first}").into());
        }
        fs::remove_file(dir.join("check.so"))?;
        Ok(build.try_compile(ops)?)
    }

    fn build_layer(&self, csrc: &Path, dir: &Path, ops: &str) -> Result<cc::Build> {
        let mut build = self.build(csrc, dir, ops, &[])?;
        build.define("RMAP_VMA_LAYER", None).flags(LAYER_FLAGS).cargo_warnings(false);
        Ok(build)
    }

    /// `before`: include directories that come before all others.
    fn build(&self, csrc: &Path, dir: &Path, ops: &str, before: &[PathBuf]) -> Result<cc::Build> {
        let mut build = cc::Build::new();
        if let Some(clang) = &self.clang {
            build.compiler(clang);
        }
        for flag in &self.flags {
            build.flag(flag);
        }
        if let Some([header, _]) = &self.mutants {
            build.flag("-include").flag(header);
            // A mutant that drops an initialisation is to be the same one under each compiler.
            build.flag_if_supported("-ftrivial-auto-var-init=pattern");
        }
        build
            .file(unit(dir, ops)?)
            .out_dir(dir.join(ops))
            .includes(includes(csrc, dir, before))
            .define("RMAP_OPS", ops)
            .flags(C_FLAGS)
            // Optimised in a debug build too; not where the profile says 0, which builds the fastest.
            .opt_level(if env::var("OPT_LEVEL").is_ok_and(|level| level == "0") { 0 } else { 2 })
            // As the profile has it: a report's line numbers need none of it, a debugger does.
            .debug(env::var("DEBUG").is_ok_and(|debug| debug != "false" && debug != "0"))
            .warnings(false)
            .cargo_metadata(true);
        Ok(build)
    }
}

/// The file that the compiler is given: coverage tells the static functions of two units apart by its name.
fn unit(dir: &Path, ops: &str) -> Result<PathBuf> {
    let path = dir.join(ops).with_extension("c");
    fs::write(&path, "#include \"reference.c\"\n")?;
    Ok(path)
}

/// A clang whose LLVM is that of rustc: the two must agree on how counters are laid out. One that is named may be another
/// but for the counters of a coverage report, whose layout belongs to the LLVM; those of the fuzzer and of the sanitizer
/// have been the same for years.
fn find_clang(counts_lines: bool) -> Result<PathBuf> {
    let rustc = env::var("RUSTC")?;
    let version = Command::new(&rustc).arg("-vV").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let major = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|v| v.split('.').next())
        .ok_or("rustc -vV names no LLVM version")?
        .to_owned();
    let named = env::var("RMAP_CLANG").ok();
    let candidates = match &named {
        Some(clang) => vec![clang.clone()],
        None => vec![format!("clang-{major}"), format!("/usr/lib/llvm-{major}/bin/clang"), "clang".to_owned()],
    };
    for clang in &candidates {
        let Ok(output) = Command::new(clang).arg("--version").output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(version) = text.split("version ").nth(1) else { continue };
        if version.starts_with(&format!("{major}.")) {
            return Ok(PathBuf::from(clang));
        }
        if named.is_some() && !counts_lines {
            println!(
                "cargo::warning=RMAP_CLANG: {clang} is not of LLVM {major}, as rustc is: its counters are trusted to be alike"
            );
            return Ok(PathBuf::from(clang));
        }
    }
    if let Some(clang) = named {
        return Err(format!(
            "RMAP_CLANG: {clang} is no clang of LLVM {major}, the LLVM of this rustc, or cannot be run; a build with \
             coverage needs just that one, any other instrumented build a clang"
        )
        .into());
    }
    Err(format!(
        "an instrumented build needs clang {major}, the LLVM of this rustc; tried {}. Run `scripts/setup`, install \
         clang-{major}, or name it in RMAP_CLANG. Without it the C would run bare and the fuzzer would not see into it.",
        candidates.join(", ")
    )
    .into())
}
