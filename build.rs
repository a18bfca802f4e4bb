//! Cuts the anon_vma code out of every reference of the kernel cache and compiles it.
//!
//! Reads the cache, never the network. The extractor, the cache and the detection of the revision
//! are the crate in `build/`; here is what belongs to this build alone: the compiler, its
//! instrumentation, the bindings, the table of references.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rmap_extract::{cache, extract, manifest};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=csrc");
    for variable in ["RMAP_CACHE", "XDG_CACHE_HOME", "RMAP_CLANG"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rustc-check-cfg=cfg(rmap_sanitize_address)");
    if env::var_os("CARGO_FEATURE_PORT_ONLY").is_some() {
        return ExitCode::SUCCESS;
    }
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
    let compiler = Compiler::choose()?;
    let shown = stubs(&csrc)?;
    let build = |number: usize, reference: &cache::Reference| -> Result<String> {
        let dir = out.join("references").join(&reference.name);
        let cut = extract::extract(reference, &manifest)?;
        cut.write(&dir, &shown)?;
        let ops = format!("rmap_ops_{number}");
        compiler.compile(&csrc, &dir, &ops, &reference.name)?;
        let vma_layer = vma_layer(&compiler, &csrc, &layer, reference, &dir, &format!("{ops}_vma"));
        Ok(row(reference, &cut, &dir, &ops, vma_layer))
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

/// A reference's row in the table.
fn row(reference: &cache::Reference, cut: &extract::Extract, dir: &Path, ops: &str, vma_layer: Result<()>) -> String {
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
    let patches: Vec<String> = reference.note.patches.iter().map(|patch| patch.to_string()).collect();
    format!(
        "    Reference {{\n        name: {:?},\n        version: {:?},\n        revision: {},\n        origin: {:?},\n        \
         patches: &{:?},\n        extract: include_str!({:?}),\n        pieces: include_str!({:?}),\n        ops: {},\n        \
         moves_pages: {moves_pages},\n        vma_layer: {vma_layer},\n    }},\n",
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
) -> Result<()> {
    let provided = extract::closure::provided(csrc, &reference.tree(), layer)?;
    let cut = extract::closure::cut_layer(&reference.tree(), layer, &provided)?;
    cut.write_to(dir, &layer.layer)?;
    let listing = fs::read_to_string(dir.join("extract.txt"))?;
    let (about, text) = listing.split_once("\nThe text\n").unwrap_or((&listing, ""));
    fs::write(dir.join("extract.txt"), format!("{about}{}\nThe text\n{text}", cut.to_text()))?;
    compiler.compile_layer(csrc, dir, ops)
}

/// What stands in for the kernel around the cut text: the first comment of each file of csrc/.
fn stubs(csrc: &Path) -> Result<String> {
    let mut files = Vec::new();
    for dir in ["", "include/asm", "include/linux", "stubs", "vma", "vma/include/linux"] {
        for entry in fs::read_dir(csrc.join(dir))? {
            files.push(entry?.path());
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c" || extension == "h"));
    files.sort();
    let mut list = String::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let about: Vec<&str> = text
            .lines()
            .skip(1)
            .skip_while(|line| !line.starts_with("/*"))
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.trim_matches(['/', '*', ' ']))
            .filter(|line| !line.is_empty())
            .collect();
        writeln!(list, "csrc/{}: {}", file.strip_prefix(csrc)?.display(), about.join(" "))?;
    }
    Ok(list)
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
                    flags.push("-fsanitize=address");
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
        if rustflags.contains("instrument-coverage") {
            flags.extend(["-fprofile-instr-generate", "-fcoverage-mapping"]);
        }
        let clang = if flags.is_empty() { None } else { Some(find_clang()?) };
        Ok(Compiler { clang, flags })
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
        let before = [csrc.join("vma/include")];
        let mut build = self.build(csrc, dir, ops, &before)?;
        build.define("RMAP_VMA_LAYER", None).flags(LAYER_FLAGS).cargo_warnings(false);
        // Linked by itself first: a symbol that nobody defines must not break the whole binary.
        let mut check = cc::Build::new();
        check.opt_level(0).pic(true).warnings(false).cargo_warnings(false);
        let mut check = check.try_get_compiler()?.to_command();
        check.args(["-shared", "-Wl,-z,defs", "-DRMAP_VMA_LAYER"]).arg(format!("-DRMAP_OPS={ops}")).args(LAYER_FLAGS);
        check.args(C_FLAGS).args(includes(csrc, dir, &before).iter().map(|dir| format!("-I{}", dir.display())));
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

    /// `before`: include directories that come before all others.
    fn build(&self, csrc: &Path, dir: &Path, ops: &str, before: &[PathBuf]) -> Result<cc::Build> {
        let mut build = cc::Build::new();
        if let Some(clang) = &self.clang {
            build.compiler(clang);
        }
        for flag in &self.flags {
            build.flag(flag);
        }
        build
            .file(unit(dir, ops)?)
            .out_dir(dir.join(ops))
            .includes(includes(csrc, dir, before))
            .define("RMAP_OPS", ops)
            .flags(C_FLAGS)
            .opt_level(2)
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

/// A clang whose LLVM is that of rustc: the two must agree on how counters are laid out.
fn find_clang() -> Result<PathBuf> {
    let rustc = env::var("RUSTC")?;
    let version = Command::new(&rustc).arg("-vV").output()?;
    let version = String::from_utf8_lossy(&version.stdout);
    let major = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|v| v.split('.').next())
        .ok_or("rustc -vV names no LLVM version")?
        .to_owned();
    let candidates = match env::var("RMAP_CLANG") {
        Ok(clang) => vec![clang],
        Err(_) => vec![format!("clang-{major}"), format!("/usr/lib/llvm-{major}/bin/clang"), "clang".to_owned()],
    };
    for clang in &candidates {
        let Ok(output) = Command::new(clang).arg("--version").output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout);
        if text.split("version ").nth(1).is_some_and(|v| v.starts_with(&format!("{major}."))) {
            return Ok(PathBuf::from(clang));
        }
    }
    Err(format!(
        "an instrumented build needs clang {major}, the LLVM of this rustc; tried {}. Run `scripts/setup`, install \
         clang-{major}, or name it in RMAP_CLANG. Without it the C would run bare and the fuzzer would not see into it.",
        candidates.join(", ")
    )
    .into())
}
