//! What pictures and pages share: the text that they may hold, and the colours of processes.

/// How many colours the processes share.
pub(super) const COLOURS: u8 = 8;

/// For XML, text and attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
