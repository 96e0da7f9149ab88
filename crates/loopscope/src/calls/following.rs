//! A future that is polled as a call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use loopscope_recorder::clock::Ticks;
use pin_project_lite::pin_project;

use super::Call;

pin_project! {
    /// A future that is polled as a call.
    #[doc(hidden)]
    #[derive(Debug)]
    pub struct Follow<'c, F> {
        call: &'c mut Call,
        #[pin]
        future: F,
    }
}

impl<'c, F> Follow<'c, F> {
    pub(super) fn new(call: &'c mut Call, future: F) -> Self {
        Self { call, future }
    }
}

impl<F: Future> Future for Follow<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(begun) = &mut this.call.0 else {
            return this.future.poll(context);
        };
        // A panic leaves this as it is, which tells it from a cancellation.
        begun.is_in_poll = true;
        let began = Ticks::now();
        let polled = this.future.poll(context);
        begun.polled(began, polled.is_ready());
        polled
    }
}
