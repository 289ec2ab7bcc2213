//! Randomness from a seed, the same in every run with the same seed. Spreads reconnects; guards no
//! secret, so a small generator does.

/// A generator after Steele, Lea and Flood's `SplitMix64`.
#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let fold = |sum: u64, byte: &u8| sum.rotate_left(7).wrapping_mul(31) ^ u64::from(*byte);
        Self(seed.iter().fold(0, fold))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `most`.
    pub(super) fn up_to(&mut self, most: u64) -> u64 {
        let bound = most.saturating_add(1);
        self.next().checked_rem(bound).unwrap_or(0)
    }
}
