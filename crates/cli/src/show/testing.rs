//! For the tests of this folder.

/// A text as it reaches a reader that is no terminal.
pub(super) fn uncoloured(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
