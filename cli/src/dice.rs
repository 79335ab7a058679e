//! Where chance comes from.

/// All values equally likely. Without randomness the longest delay is taken, which is always allowed.
pub fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}
