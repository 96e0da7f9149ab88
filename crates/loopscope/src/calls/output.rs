//! Whether what a function returned is a failure, as far as its type is known where the function stands.
//!
//! `#[track_call]` asks for `(&&&Output(&returned)).failure()`: of the three traits below the compiler takes the first
//! one that fits.

use std::any::type_name;
use std::fmt::Display;

/// What a function returned.
#[derive(Debug)]
pub struct Output<'a, R>(pub &'a R);

/// An error that a function returned.
pub struct Failure<'a> {
    pub(super) error_type: &'static str,
    pub(super) message: Option<&'a dyn Display>,
}

impl std::fmt::Debug for Failure<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Failure");
        shown
            .field("error_type", &self.error_type)
            .finish_non_exhaustive()
    }
}

/// A `Result` whose error can be displayed.
pub trait OfDisplay<'a> {
    /// The error.
    fn failure(&self) -> Option<Failure<'a>>;
}

impl<'a, T, E: Display> OfDisplay<'a> for &&Output<'a, Result<T, E>> {
    #[inline]
    fn failure(&self) -> Option<Failure<'a>> {
        self.0.as_ref().err().map(|error| Failure {
            error_type: type_name::<E>(),
            message: Some(error),
        })
    }
}

/// Any other `Result`.
pub trait OfResult<'a> {
    /// The error.
    fn failure(&self) -> Option<Failure<'a>>;
}

impl<'a, T, E> OfResult<'a> for &Output<'a, Result<T, E>> {
    #[inline]
    fn failure(&self) -> Option<Failure<'a>> {
        self.0.as_ref().err().map(|_| Failure {
            error_type: type_name::<E>(),
            message: None,
        })
    }
}

/// Anything else.
pub trait OfAny<'a> {
    /// None.
    fn failure(&self) -> Option<Failure<'a>>;
}

impl<'a, R> OfAny<'a> for Output<'a, R> {
    #[inline]
    fn failure(&self) -> Option<Failure<'a>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::needless_borrow,
        reason = "as the attribute asks, whatever the type"
    )]
    fn only_an_error_is_a_failure_and_its_text_is_what_it_displays() {
        struct Opaque;
        let told = |failure: Option<Failure<'_>>| {
            let failure = failure?;
            let message = failure.message.map(ToString::to_string);
            Some((failure.error_type, message))
        };
        let refused: Result<u32, std::fmt::Error> = Err(std::fmt::Error);
        let (error_type, message) = told((&&&Output(&refused)).failure()).unwrap();
        assert_eq!(error_type, "core::fmt::Error");
        assert!(message.unwrap().contains("an error occurred"));
        let opaque: Result<u32, Opaque> = Err(Opaque);
        let (error_type, message) = told((&&&Output(&opaque)).failure()).unwrap();
        assert!(
            error_type.ends_with("::Opaque") && message.is_none(),
            "{error_type}"
        );
        let fine: Result<u32, Opaque> = Ok(1);
        assert!((&&&Output(&fine)).failure().is_none());
        assert!((&&&Output(&1)).failure().is_none());
    }
}
