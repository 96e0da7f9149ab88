//! Frames of a dump, each known once.
//!
//! Ten thousand tasks stand at a handful of places. So each place is looked at once (whether it is the
//! application's own code), and chains are compared by numbers.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use loopscope_inspect::Frame;

use super::report::DumpFrame;
use crate::in_app::is_in_app_file;
use crate::observation::Frame as EngineFrame;

/// A place's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(u32);

/// All places of a dump.
#[derive(Debug, Default)]
pub(super) struct Places<'dump> {
    /// By the addresses of the strings: most frames of one function share them, and this is fast.
    by_address: HashMap<(usize, u32, usize), Place>,
    by_content: HashMap<DumpFrame, Place>,
    known: Vec<DumpFrame>,
    /// Addresses are only good while the frames live.
    of: PhantomData<&'dump Frame>,
}

impl<'dump> Places<'dump> {
    /// The number of a frame's place.
    pub(super) fn place(&mut self, frame: &'dump Frame) -> Place {
        let key = (address(&frame.file), frame.line, address(&frame.function));
        if let Some(place) = self.by_address.get(&key) {
            return *place;
        }
        let place = self.by_content(frame);
        self.by_address.insert(key, place);
        place
    }

    fn by_content(&mut self, frame: &Frame) -> Place {
        let shown = DumpFrame::from(frame);
        if let Some(place) = self.by_content.get(&shown) {
            return *place;
        }
        let place = Place(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
        self.known.push(shown.clone());
        self.by_content.insert(shown, place);
        place
    }

    /// A list of frames, as the report has them.
    pub(super) fn frames(&mut self, frames: &'dump [Frame]) -> Vec<DumpFrame> {
        let places: Vec<Place> = frames.iter().map(|frame| self.place(frame)).collect();
        places
            .into_iter()
            .filter_map(|place| self.get(place).cloned())
            .collect()
    }

    /// A place.
    pub(super) fn get(&self, place: Place) -> Option<&DumpFrame> {
        self.known.get(place.0 as usize)
    }
}

impl From<&Frame> for DumpFrame {
    fn from(frame: &Frame) -> Self {
        Self {
            in_app: is_in_app_file(&frame.file),
            file: Arc::clone(&frame.file),
            line: frame.line,
            function: Arc::clone(&frame.function),
        }
    }
}

impl From<&EngineFrame> for DumpFrame {
    fn from(frame: &EngineFrame) -> Self {
        Self {
            in_app: is_in_app_file(&frame.file),
            file: Arc::clone(&frame.file),
            line: frame.line,
            function: Arc::clone(&frame.function),
        }
    }
}

fn address(text: &Arc<str>) -> usize {
    Arc::as_ptr(text).cast::<u8>() as usize
}

/// Of frames given innermost first the one that stands for them: the first of the application's own code,
/// or else the first.
pub(super) fn telling<'a>(
    innermost_first: impl DoubleEndedIterator<Item = &'a DumpFrame> + Clone,
) -> Option<&'a DumpFrame> {
    let own = innermost_first.clone().find(|frame| frame.in_app);
    own.or_else(|| innermost_first.clone().next())
}
