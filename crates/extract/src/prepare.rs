//! All that a build wants of a reference before a compiler comes: its text cut, mutated if that is asked for, and written,
//! with the VMA layer beside it if that can be cut.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cache::Reference;
use crate::extract::{self, Extract, ExtractError, Piece, closure};
use crate::manifest::{Manifest, ManifestError};
use crate::mutants::{Mutant, Plan, Schemata};
use crate::reached::{ReachedError, Unreached};
use crate::revision::{self, RevisionError};
use crate::share;
use crate::stand_ins;
use crate::syntax::Kind;

/// The table of a reference's mutants, beside its text.
const MUTANTS: &str = "mutants.json";
/// What a person reads of it.
const LISTING: &str = "extract.txt";

/// A reference cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// What is to be cut is not well said.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// What is to be mutated is not well said.
    #[error("{0}")]
    Plan(String),
    /// Nor which lines nothing reaches.
    #[error(transparent)]
    Unreached(#[from] ReachedError),
    /// The tree cannot be cut.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// How its page-table code behaves cannot be told.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> PrepareError {
    move |error| PrepareError::Io { path: path.to_owned(), error }
}

/// The functions of `mm/rmap.c` among these pieces, by name and first line.
fn functions(pieces: &[Piece]) -> impl Iterator<Item = (String, usize)> + '_ {
    let of_rmap = pieces.iter().filter(|piece| piece.kind == Kind::Function && piece.file == "mm/rmap.c");
    of_rmap.map(|piece| (piece.symbol.clone(), piece.first_line))
}

/// What is done to every reference alike.
#[derive(Debug)]
pub struct Recipe {
    csrc: PathBuf,
    base: Manifest,
    layer: Manifest,
    pages: Manifest,
    stand_ins: String,
    plan: Option<Plan>,
    /// Lines that nothing reaches, where the list is beside `csrc`.
    unreached: Option<Unreached>,
}

impl Recipe {
    /// Reads what `csrc` says; `mutated`: with mutants. Such a build is good for nothing else: its text is not the kernel's.
    ///
    /// # Errors
    /// If a file of `csrc` is missing or not of its form.
    pub fn load(csrc: &Path, mutated: bool) -> Result<Recipe, PrepareError> {
        let base = Manifest::load(&csrc.join("manifest.toml"))?;
        let layer = Manifest::load_layer(&csrc.join("vma.toml"), &base)?;
        let pages = Manifest::load_over(&csrc.join("pages.toml"), &layer)?;
        let stand_ins = stand_ins::list(csrc).map_err(failed(csrc))?;
        let path = csrc.join("mutants.toml");
        let plan = || Plan::parse(&fs::read_to_string(&path).map_err(failed(&path))?).map_err(PrepareError::Plan);
        let plan = mutated.then(plan).transpose()?;
        let path = csrc.with_file_name("tests").join("unreached.toml");
        let unreached = (mutated && path.exists()).then(|| Unreached::load(&path)).transpose()?;
        Ok(Recipe { csrc: csrc.to_owned(), base, layer, pages, stand_ins, plan, unreached })
    }

    /// Cuts a reference and writes its text below `dir`.
    ///
    /// # Errors
    /// If the tree cannot be cut or its behaviour not be told.
    pub fn prepare<'r>(&'r self, reference: &'r Reference, dir: PathBuf) -> Result<Prepared<'r>, PrepareError> {
        let mut extract = extract::extract(reference, &self.base)?;
        let mut mutants = self.plan.as_ref().map(|plan| {
            let structs = extract.pieces.iter().filter(|piece| piece.kind == Kind::Struct);
            let schemata = Schemata::new(plan, structs.map(|piece| piece.text.as_str()));
            schemata.with_unreached(self.unreached.as_ref(), &reference.note.name)
        });
        if let Some(mutants) = &mut mutants {
            mutants.apply(&mut extract.pieces, true);
        }
        extract.write(&dir, &self.stand_ins)?;
        let functions: BTreeSet<_> = functions(&extract.pieces).collect();
        let functions_without_pages = functions.clone();
        Ok(Prepared { recipe: self, reference, dir, extract, functions, functions_without_pages, mutants })
    }
}

/// A reference whose text is written.
pub struct Prepared<'r> {
    recipe: &'r Recipe,
    /// Which.
    pub reference: &'r Reference,
    /// Where its text is.
    pub dir: PathBuf,
    /// What was cut.
    pub extract: Extract,
    /// The functions that were cut so far, by name and first line.
    functions: BTreeSet<(String, usize)>,
    functions_without_pages: BTreeSet<(String, usize)>,
    mutants: Option<Schemata<'r>>,
}

impl Prepared<'_> {
    /// Cuts the kernel's VMA code, for the kernel driver, and writes it beside the rest. A tree can be used without.
    ///
    /// # Errors
    /// If the tree's VMA code cannot be cut.
    pub fn add_layer(&mut self) -> Result<(), PrepareError> {
        let recipe = self.recipe;
        self.add(&recipe.layer)
    }

    /// Cuts the kernel's page-table code with its VMA code, and writes it beside the rest. A tree can be used without.
    ///
    /// # Errors
    /// If the tree's code cannot be cut.
    pub fn add_pages(&mut self) -> Result<(), PrepareError> {
        self.functions_without_pages = self.functions.clone();
        revision::check_walks(&self.reference.tree())?;
        let recipe = self.recipe;
        self.add(&recipe.pages)
    }

    fn add(&mut self, layer: &Manifest) -> Result<(), PrepareError> {
        let tree = self.reference.tree();
        let provided = closure::provided(&self.recipe.csrc, &tree, layer)?;
        let mut cut = closure::cut_layer(&tree, layer, &provided)?;
        if let Some(mutants) = &mut self.mutants {
            mutants.apply(&mut cut.code, false);
        }
        cut.write_to(&self.dir, &layer.layer)?;
        self.functions.extend(functions(&cut.code));
        self.list_before("\nThe text\n", &cut.to_text(&layer.layer))
    }

    /// Adds to the listing how much of `mm/rmap.c` is compiled: the functions of what was cut so far. `without` is why the
    /// page-table code is not among it, if it is not.
    ///
    /// # Errors
    /// If the listing cannot be written.
    pub fn list_share(&self, without: Option<&str>) -> Result<(), PrepareError> {
        let (mut compiled, layer) = (self.functions.clone(), &self.recipe.pages.layer);
        if without.is_some() {
            compiled = self.functions_without_pages.clone();
        }
        let why = without.map(|why| format!("for the page-table code is not built ({why})"));
        let share = share::of(&self.reference.tree(), &compiled, layer, why.as_deref()).map_err(ExtractError::from)?;
        self.list_before("\nBehaviour, as found in the source\n", &share.to_text())
    }

    /// Adds a text to the listing, before a line of it.
    fn list_before(&self, line: &str, added: &str) -> Result<(), PrepareError> {
        let path = self.listing();
        let listing = fs::read_to_string(&path).map_err(failed(&path))?;
        let (before, after) = listing.split_once(line).unwrap_or((&listing, ""));
        fs::write(&path, format!("{before}{added}{line}{after}")).map_err(failed(&path))
    }

    /// The mutants of what was cut so far, also those that the compiler may not see.
    pub fn mutants(&self) -> impl Iterator<Item = &Mutant> {
        self.mutants.iter().flat_map(|mutants| &mutants.mutants)
    }

    /// Writes the table of those mutants that the compiler has seen: `preprocessed` is each text after the preprocessor.
    /// Returns what was not understood and so has none. Nothing is done without mutants.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub fn write_mutants(&mut self, preprocessed: &[Vec<u8>]) -> Result<Vec<String>, PrepareError> {
        let Some(path) = self.mutant_table() else { return Ok(Vec::new()) };
        let Some(mutants) = &mut self.mutants else { return Ok(Vec::new()) };
        let texts: Vec<_> = preprocessed.iter().map(|text| String::from_utf8_lossy(text)).collect();
        mutants.keep_compiled(&texts);
        let table = serde_json::to_string(&mutants.mutants).map_err(|error| failed(&path)(error.into()))?;
        fs::write(&path, table).map_err(failed(&path))?;
        Ok(std::mem::take(&mut mutants.left))
    }

    /// The file that a person reads of it.
    pub fn listing(&self) -> PathBuf {
        self.dir.join(LISTING)
    }

    /// The table of its mutants, if it has any.
    pub fn mutant_table(&self) -> Option<PathBuf> {
        self.mutants.as_ref().map(|_| self.dir.join(MUTANTS))
    }
}
