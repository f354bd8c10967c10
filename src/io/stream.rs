//! The bytes of a file, unpacked as they are asked for.

use std::io::{ErrorKind, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};

use super::IoError;
use super::sniff::{self, Kind};

/// How voxels are packed in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zlib,
}

/// Reads plain or packed bytes from memory, counting what came out.
pub(super) struct Source<'a> {
    name: &'a str,
    inner: Inner<'a>,
    position: u64,
    cut: bool,
}

// One stream exists at a time: a box would only add a hop.
#[allow(clippy::large_enum_variant)]
enum Inner<'a> {
    Plain(&'a [u8]),
    /// The current member of a gzip file; there can be several, one after the other.
    Gzip(GzDecoder<&'a [u8]>),
    Zlib(ZlibDecoder<&'a [u8]>),
}

impl<'a> Source<'a> {
    /// A whole file, gzipped or not.
    pub(super) fn new(name: &'a str, bytes: &'a [u8]) -> Result<Self, IoError> {
        match sniff::kind(bytes) {
            Kind::Empty => Err(sniff::refuse(name, Kind::Empty)),
            Kind::Gzip => Ok(Self::packed(name, bytes, Packing::Gzip)),
            _ => Ok(Self::packed(name, bytes, Packing::Plain)),
        }
    }

    /// A piece of a file, packed as its header says.
    pub(super) fn packed(name: &'a str, bytes: &'a [u8], packing: Packing) -> Self {
        let inner = match packing {
            Packing::Plain => Inner::Plain(bytes),
            Packing::Gzip => Inner::Gzip(GzDecoder::new(bytes)),
            Packing::Zlib => Inner::Zlib(ZlibDecoder::new(bytes)),
        };
        Self {
            name,
            inner,
            position: 0,
            cut: false,
        }
    }

    /// Name of the file.
    pub(super) fn name(&self) -> &'a str {
        self.name
    }

    pub(super) fn is_packed(&self) -> bool {
        !matches!(self.inner, Inner::Plain(_))
    }

    /// Unpacked bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// True once the packed data has ended in the middle.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Fills `buffer` as far as there are bytes and returns their number.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The caller sees that bytes are missing and says how many.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.cut = true;
                    break;
                }
                Err(error) => return Err(self.damaged(&error)),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// Reads on to byte `target` of the unpacked file, or to its end.
    pub(super) fn skip_to(&mut self, target: u64) -> Result<(), IoError> {
        let mut buffer = [0_u8; 4096];
        while self.position < target {
            let want = (target - self.position).min(buffer.len() as u64) as usize;
            if self.fill(&mut buffer[..want])? < want {
                break;
            }
        }
        Ok(())
    }

    /// Reads one byte more, so that a packed stream that ends here verifies its checksum.
    pub(super) fn check_end(&mut self) -> Result<(), IoError> {
        self.fill(&mut [0]).map(|_| ())
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match &mut self.inner {
                Inner::Plain(bytes) => return bytes.read(buffer),
                Inner::Zlib(decoder) => return decoder.read(buffer),
                Inner::Gzip(member) => {
                    let n = member.read(buffer)?;
                    let rest: &'a [u8] = member.get_ref();
                    // Anything but a further member after the last one is padding.
                    if n > 0 || buffer.is_empty() || sniff::kind(rest) != Kind::Gzip {
                        return Ok(n);
                    }
                    self.inner = Inner::Gzip(GzDecoder::new(rest));
                }
            }
        }
    }

    fn damaged(&self, error: &std::io::Error) -> IoError {
        IoError::Unpack {
            file: self.name.to_owned(),
            reason: error.to_string(),
        }
    }
}
