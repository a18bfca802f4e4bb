//! What the environment says to a fuzz target, which has no command line of its own.

use std::env;
use std::path::PathBuf;

use crate::kernel::{self, Reference};
use crate::known::KnownFindings;
use crate::session::{SessionError, VmaCode};

/// Why a fuzz target cannot run: one line for a person.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl SetupError {
    pub(super) fn new(text: impl Into<String>) -> SetupError {
        SetupError(text.into())
    }
}

impl From<SessionError> for SetupError {
    fn from(error: SessionError) -> SetupError {
        SetupError(error.to_string())
    }
}

/// The reference that a variable names, if it is set.
pub(super) fn reference(variable: &str) -> Result<Option<&'static Reference>, SetupError> {
    let Ok(name) = env::var(variable) else { return Ok(None) };
    kernel::reference(&name).map(Some).map_err(|error| SetupError(format!("{variable}={name}: {error}")))
}

/// `$RMAP_VMA`, else the old `$RMAP_DRIVER`, for which a hint is printed.
pub(super) fn vma() -> Result<Option<VmaCode>, SetupError> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let (value, hint) = of_variables(variable("RMAP_VMA").as_deref(), variable("RMAP_DRIVER").as_deref())?;
    if let Some(hint) = hint {
        eprintln!("rmap-diff: {hint}");
    }
    Ok(value)
}

/// The choice, and a hint if it is the old variable's.
fn of_variables(vma: Option<&str>, driver: Option<&str>) -> Result<(Option<VmaCode>, Option<String>), SetupError> {
    let now = |driver: &str, vma: VmaCode| {
        let name = vma.name();
        Ok((Some(vma), Some(format!("`RMAP_DRIVER={driver}` is now `RMAP_VMA={name}`"))))
    };
    match (vma, driver) {
        (Some("kernel"), _) => Ok((Some(VmaCode::Kernel), None)),
        (Some("pages"), _) => Ok((Some(VmaCode::Pages), None)),
        (Some("model"), _) => Ok((Some(VmaCode::Model), None)),
        (Some(other), _) => Err(SetupError(format!("RMAP_VMA={other}: expected kernel, pages or model"))),
        (None, Some("kernel")) => now("kernel", VmaCode::Kernel),
        (None, Some("rust")) => now("rust", VmaCode::Model),
        (None, Some(other)) => Err(SetupError(format!("RMAP_DRIVER={other}: expected RMAP_VMA=kernel or model"))),
        (None, None) => Ok((None, None)),
    }
}

/// The known findings, by `$RMAP_KNOWN`.
pub(super) fn known() -> Result<KnownFindings, SetupError> {
    KnownFindings::read(env::var_os("RMAP_KNOWN").map(PathBuf::from).as_deref())
        .map_err(|error| SetupError(format!("RMAP_KNOWN: {error}")))
}

/// Whether `$RMAP_MUTATOR` wants libFuzzer's own mutations alone.
pub(super) fn bytes_alone() -> Result<bool, SetupError> {
    match env::var("RMAP_MUTATOR").as_deref() {
        Ok("bytes") => Ok(true),
        Ok("operations") | Err(_) => Ok(false),
        Ok(other) => Err(SetupError(format!("RMAP_MUTATOR={other}: expected operations or bytes"))),
    }
}

/// Whether `$RMAP_TOGETHER` wants operations that run together.
pub(super) fn together() -> Result<bool, SetupError> {
    match env::var("RMAP_TOGETHER").as_deref() {
        Ok("1") => Ok(true),
        Ok("0" | "") | Err(_) => Ok(false),
        Ok(other) => Err(SetupError(format!("RMAP_TOGETHER={other}: expected 1 or 0"))),
    }
}

/// How many traces `$RMAP_DIGEST` wants to be digested.
pub(super) fn digest() -> Result<Option<usize>, SetupError> {
    let Ok(text) = env::var("RMAP_DIGEST") else { return Ok(None) };
    let wrong = |_| SetupError(format!("RMAP_DIGEST={text}: expected a number of traces"));
    text.parse().map(Some).map_err(wrong)
}

/// A fuzzer that sees nothing of the C finds nothing in it.
pub(super) fn check_instrumented() -> Result<(), SetupError> {
    if kernel::instrumented() {
        return Ok(());
    }
    Err(SetupError::new("the C of this binary has no coverage counters: build it with cargo fuzz (clang is needed)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_variable_means_what_it_meant_with_a_hint_and_the_new_one_wins() {
        let hint = |text: &str| Some(text.to_owned());
        assert_eq!(
            of_variables(None, Some("rust")),
            Ok((Some(VmaCode::Model), hint("`RMAP_DRIVER=rust` is now `RMAP_VMA=model`")))
        );
        assert_eq!(of_variables(None, Some("kernel")).unwrap().0, Some(VmaCode::Kernel));
        assert_eq!(of_variables(Some("kernel"), Some("rust")), Ok((Some(VmaCode::Kernel), None)));
        assert_eq!(of_variables(None, None), Ok((None, None)));
        assert!(of_variables(Some("rust"), None).is_err() && of_variables(None, Some("model")).is_err());
    }
}
