//! Why a worker failed, in words: what `?` makes of any error.

use std::fmt;

use skep_core::id::Reason;

/// A worker's failure. `?` makes one of any error, with the errors behind it; [`Failure::new`] of plain words.
///
/// ```
/// fn limit() -> Result<u64, skep::Failure> {
///     let limit = "12".parse()?;
///     if limit > 100 {
///         return Err(skep::Failure::new("the limit is too high"));
///     }
///     Ok(limit)
/// }
/// # assert!(limit().is_ok());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    words: String,
}

impl Failure {
    /// One with these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into() }
    }

    pub(crate) fn reason(&self) -> Reason {
        Reason::new(&self.words)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            words.push_str(": ");
            words.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { words }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words) // what `main` prints of it
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
