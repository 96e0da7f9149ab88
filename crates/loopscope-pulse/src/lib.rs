//! Stamps each event loop's way into and out of its poll, preloaded into the target
