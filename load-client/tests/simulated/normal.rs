//! Normal random numbers for drawn experiments.

use load_client::stats::SplitMix64;

/// Standard normal numbers: the first of each pair by Box & Muller, "A Note on the Generation of Random Normal
/// Deviates" (Annals of Mathematical Statistics 29, 1958).
pub(crate) struct Normal(pub(crate) SplitMix64);

impl Normal {
    pub(crate) fn draw(&mut self) -> f64 {
        let (one, two) = (self.uniform(), self.uniform());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos()
    }

    /// Returns a uniform number above 0, and up to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.0.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}
