//! The manifest, `csrc/manifest.toml`: which definition comes from which file in which generation.

use std::path::Path;

use serde::Deserialize;

use crate::syntax::Kind;

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not there, or not readable.
    #[error("{path}: {error}")]
    Unreadable {
        /// The manifest.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// Not what a manifest looks like.
    #[error("{path}: {reason}")]
    Bad {
        /// The manifest.
        path: String,
        /// Where and why.
        reason: String,
    },
}

/// What to cut.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Names that `csrc/` provides: never cut, even if a cut function uses them.
    #[serde(default)]
    pub provided: Vec<String>,
    /// The entry points: defined under the name `verbatim_NAME`, so that every call is seen by a
    /// wrapper of the name itself.
    #[serde(default)]
    pub wrap: Vec<String>,
    /// Files taken whole.
    #[serde(default)]
    pub whole: Vec<Whole>,
    /// Definitions cut out of files.
    #[serde(default)]
    pub cut: Vec<Cut>,
    /// What `csrc/` wants to know of a tree.
    #[serde(default)]
    pub fact: Vec<Fact>,
    /// What is cut by need.
    #[serde(default)]
    pub layer: Layer,
}

/// A part of the kernel that is cut from its roots on: with everything that they use.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// What it is for, in a word or two: errors name it.
    pub group: String,
    /// The file that says it, for a person.
    #[serde(skip)]
    pub manifest: String,
    /// The files that definitions are looked for in, the first that has one first. A tree may lack any.
    pub sources: Vec<String>,
    /// What tells a tree that the layer is not for, before anything is looked for.
    pub needs: Vec<Need>,
    /// What is cut: of each list the first that the tree has; it must have one.
    pub roots: Vec<Vec<String>>,
    /// What is cut if it is there.
    pub optional: Vec<String>,
    /// The entry points: see [`Manifest::wrap`].
    pub wrap: Vec<String>,
    /// The options of the kernel's configuration that are set; all others are not. And those of `csrc/` itself.
    pub config: Vec<String>,
    /// Other macros that are never defined.
    pub undefined: Vec<String>,
    /// The headers of `csrc/`, and directories of them, that stand in for the kernel's: what they define, where
    /// the options are set so, is not cut.
    pub stand_ins: Vec<String>,
    /// Names that are never cut.
    pub provided: Vec<String>,
    /// Files of which every function is cut that the configuration has.
    pub every_function_of: Vec<String>,
    /// Functions of these files that are not cut all the same.
    pub left: Vec<Left>,
    /// Stand-ins of the layer below that do not stand in here.
    pub without: Vec<String>,
    /// The file of the extract that defines the options of `config`; none: `csrc/` does.
    pub options: Option<String>,
    /// The file of the extract for macros, types and prototypes.
    pub types: String,
    /// The file of the extract for variables and functions.
    pub code: String,
    /// The file of the extract that lists the pieces; none: nothing asks for the list.
    pub pieces: Option<String>,
}

/// A file without which a tree has another VMA code.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Need {
    /// The file.
    pub file: String,
    /// What it means that it is not there.
    pub reason: String,
}

/// A function that is not cut.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// A file taken whole.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Its path in the kernel tree, and below the extract's directory.
    pub file: String,
    /// Whether a tree may lack it.
    #[serde(default)]
    pub optional: bool,
    /// The file to write the prototypes of its non-static functions to.
    pub prototypes: Option<String>,
    /// A second place for it, with its entry points renamed.
    pub renamed: Option<String>,
}

/// Definitions cut out of a file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// What they are for, in a word or two: errors name it.
    pub group: String,
    /// What they are.
    pub kind: Kind,
    /// Where they may be: each is looked for in each of these.
    pub from: Vec<String>,
    /// The file of the extract that they go to.
    pub into: String,
    /// Must be there.
    #[serde(default)]
    pub required: Vec<String>,
    /// Cut if there.
    #[serde(default)]
    pub optional: Vec<String>,
    /// Of each list one must be there; all that are there are cut.
    #[serde(default)]
    pub one_of: Vec<Vec<String>>,
    /// Whether what they use of the same file is cut along.
    #[serde(default)]
    pub with_callees: bool,
    /// The file to write the prototypes of those that are not static to.
    pub prototypes: Option<String>,
}

/// A macro that is defined for `csrc/` if something was cut.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// The macro.
    pub define: String,
    /// One of these was cut.
    pub cut: Vec<String>,
    /// And is a function with so many parameters.
    #[serde(default)]
    pub parameters: Option<usize>,
    /// And has this among its parameters: `struct page *`.
    #[serde(default)]
    pub takes: Option<String>,
    /// And has this in its text.
    #[serde(default)]
    pub mentions: Option<String>,
}

impl Manifest {
    /// The manifest of this source tree.
    pub fn builtin() -> Result<Self, ManifestError> {
        Self::parse("csrc/manifest.toml", include_str!("../../../csrc/manifest.toml"))
    }

    /// Reads the manifest of a layer, which takes the whole files and knows the facts of `base` too.
    pub fn load_layer(path: &Path, base: &Manifest) -> Result<Self, ManifestError> {
        let mut manifest = Self::load(path)?;
        manifest.whole.extend(base.whole.iter().cloned());
        manifest.fact.extend(base.fact.iter().cloned());
        Ok(manifest)
    }

    /// Reads the manifest of a layer on top of another: what it says is said besides what `below` says.
    pub fn load_over(path: &Path, below: &Manifest) -> Result<Self, ManifestError> {
        let mut manifest = Self::load(path)?;
        let (layer, under) = (&mut manifest.layer, &below.layer);
        layer.stand_ins.extend(under.stand_ins.iter().filter(|place| !layer.without.contains(place)).cloned());
        layer.needs.extend(under.needs.iter().cloned());
        layer.roots.extend(under.roots.iter().cloned());
        let both = [
            (&mut layer.sources, &under.sources),
            (&mut layer.optional, &under.optional),
            (&mut layer.wrap, &under.wrap),
            (&mut layer.config, &under.config),
            (&mut layer.undefined, &under.undefined),
            (&mut layer.provided, &under.provided),
        ];
        for (own, other) in both {
            let new: Vec<_> = other.iter().filter(|entry| !own.contains(entry)).cloned().collect();
            own.extend(new);
        }
        manifest.whole.extend(below.whole.iter().cloned());
        manifest.fact.extend(below.fact.iter().cloned());
        Ok(manifest)
    }

    /// Reads a manifest.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let shown = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| ManifestError::Unreadable { path: shown.clone(), error })?;
        let mut manifest = Self::parse(&shown, &text)?;
        manifest.layer.manifest = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(manifest)
    }

    /// Reads a manifest's text.
    pub fn parse(path: &str, text: &str) -> Result<Self, ManifestError> {
        toml::from_str(text)
            .map_err(|error| ManifestError::Bad { path: path.to_owned(), reason: error.to_string().trim().to_owned() })
    }
}
