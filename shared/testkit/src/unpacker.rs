//! Objects of an archive that are not compressed.

use pillarbox_domain::archive::{NotUnpacked, Unpacker};

/// Takes an object for its lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainUnpacker;

impl Unpacker for PlainUnpacker {
    fn unpack(&self, object: &[u8], max_bytes: usize) -> Result<Vec<u8>, NotUnpacked> {
        match object.len() <= max_bytes {
            true => Ok(object.to_vec()),
            false => Err(NotUnpacked("it holds more than was said".into())),
        }
    }
}
