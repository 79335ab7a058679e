//! Ranges of IP addresses.

use std::net::IpAddr;

/// The addresses that begin with the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressRange {
    base: IpAddr,
    bits: u32,
}

impl AddressRange {
    /// Reads a range in CIDR notation, as `10.0.0.0/24` or `2001:db8::/32`. Bits of the address behind the mask do
    /// not count.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let base: IpAddr = address.parse().ok()?;
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|_| is_number)?;
        let all_bits = if base.is_ipv4() { 32 } else { 128 };
        (bits <= all_bits).then_some(Self { base, bits })
    }

    /// Whether the text is an address in the range. An IPv4 address counts as one also when it is written in the
    /// form that IPv6 has for it, as `::ffff:10.0.0.1`.
    pub(super) fn contains(&self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else {
            return false;
        };
        match (self.base, address) {
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same_bits(base.to_bits() ^ address.to_bits(), 128 - self.bits)
            }
            (IpAddr::V4(base), address) => match address.to_canonical() {
                IpAddr::V4(address) => {
                    let differing = base.to_bits() ^ address.to_bits();
                    same_bits(u128::from(differing), 32 - self.bits)
                }
                IpAddr::V6(_) => false,
            },
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same_bits(differing: u128, free_bits: u32) -> bool {
    differing.checked_shr(free_bits).unwrap_or_default() == 0
}
