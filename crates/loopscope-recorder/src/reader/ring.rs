//! Reading a ring: every record once, in order, torn ones told apart.

/// What a place of a ring holds.
pub(super) enum RingRead<Record> {
    /// The record that was looked for.
    Whole(Record),
    /// One of a kind that this version does not know.
    OtherKind,
    /// It is still to be written, or just being.
    Pending,
    /// It was overwritten, or is torn.
    Lost,
}

/// How far a ring was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub(super) next: u64,
    /// A record seen half-written at the last read; a second sight of it counts as lost.
    pending: Option<u64>,
}

impl Cursor {
    /// Passes over what has been overwritten. Returns how many that were.
    pub(super) fn skip_overwritten(&mut self, begun: u64, capacity: u64) -> u64 {
        let oldest = begun.saturating_sub(capacity);
        let skipped = oldest.saturating_sub(self.next);
        self.next += skipped;
        skipped
    }

    /// Takes records as far as they are complete, from bytes that begin with the next one. False to wait
    /// for a writer.
    pub(super) fn take<Record>(
        &mut self,
        bytes: &[u8],
        record_bytes: usize,
        decode: fn(&[u8], u64) -> RingRead<Record>,
        found: &mut (Vec<Record>, u64),
    ) -> bool {
        for record in bytes.chunks_exact(record_bytes) {
            match decode(record, self.next) {
                RingRead::Whole(record) => found.0.push(record),
                RingRead::OtherKind => {}
                RingRead::Lost => found.1 += 1,
                RingRead::Pending if self.pending == Some(self.next) => found.1 += 1,
                RingRead::Pending => {
                    self.pending = Some(self.next);
                    return false;
                }
            }
            self.next += 1;
        }
        true
    }
}
