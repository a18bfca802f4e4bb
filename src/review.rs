//! Two references side by side.
