//! How an object of the archive is opened.

/// Opens objects. They are written in another place, so they may be anything.
pub trait Unpacker {
    /// The lines of an object, of which there are at most so many bytes.
    fn unpack(&self, object: &[u8], max_bytes: usize) -> Result<Vec<u8>, NotUnpacked>;
}

/// An object is not compressed as objects are, or holds more than was said.
#[derive(Debug, thiserror::Error)]
#[error("the object cannot be unpacked")]
pub struct NotUnpacked(#[source] pub Box<dyn std::error::Error + Send + Sync>);
