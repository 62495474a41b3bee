//! A source that knows how it begins and whether its last line is whole.

use std::io::Read;

/// Remembers the last byte that passed.
pub(super) struct LastByte<R> {
    source: R,
    last: Option<u8>,
}

impl<R: Read> LastByte<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, last: None }
    }

    /// The first bytes, as far as they tell what the file is.
    pub(super) fn start(&mut self) -> std::io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.by_ref().take(3).read_to_end(&mut start)?;
        Ok(start)
    }

    pub(super) fn ends_with_newline(&self) -> bool {
        self.last == Some(b'\n')
    }
}

impl<R: Read> Read for LastByte<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.last = buffer[..count].last().copied().or(self.last);
        Ok(count)
    }
}
