//! The distribution of Kolmogorov's statistic: the largest distance of the empirical distribution
//! function of n values from the true one.
//!
//! The two-sample test uses it for large samples with n = m n / (m + n). Regions and methods are
//! those of R. Simard & P. L'Ecuyer, "Computing the Two-Sided Kolmogorov-Smirnov Distribution"
//! (Journal of Statistical Software 39, 2011), which SciPy follows as well.

use std::f64::consts::{LN_2, PI};

use statrs::function::gamma::ln_gamma;

/// Natural logarithm of P(D_n >= d), for n above 0; exact or to about ten digits.
pub(super) fn ln_upper_tail(n: u64, d: f64) -> f64 {
    let (size, steps) = (n as f64, n as f64 * d);
    let spread = steps * d;
    if steps <= 0.5 {
        return 0.0;
    }
    if steps <= 1.0 {
        let ln_cdf = ln_gamma(size + 1.0) - size * size.ln() + size * (2.0 * steps - 1.0).ln();
        return (-ln_cdf.exp()).ln_1p();
    }
    if steps >= size - 1.0 {
        return LN_2 + size * (-d).ln_1p();
    }
    let far_out = if n <= 140 { 4.0 } else { 2.2 };
    if d >= 0.5 || spread > far_out {
        // The two one-sided events exclude each other, or nearly so.
        return (LN_2 + ln_one_sided_tail(size, d)).min(0.0);
    }
    let cdf = if n <= 140 || (n <= 100_000 && steps * d.sqrt() <= 1.4) {
        matrix_cdf(n, d)
    } else {
        pelz_good_cdf(size, d)
    };
    (-cdf.clamp(0.0, 1.0)).ln_1p()
}

/// ln P(D_n+ >= d), Smirnov's exact sum for the one-sided statistic.
///
/// Birnbaum & Tingey, "One-sided confidence contours for probability distribution functions"
/// (Annals of Mathematical Statistics 22, 1951). Each term is a binomial probability, taken by
/// C. Loader's saddle-point expansion ("Fast and Accurate Computation of Binomial Probabilities",
/// 2000), because a million values leave no digits to differences of factorials.
fn ln_one_sided_tail(n: f64, d: f64) -> f64 {
    let excess = n * d;
    let last = (n - excess).floor();
    let (mut largest, mut sum) = (n * (-d).ln_1p(), 1.0);
    for j in 1..=last as u64 {
        let below = j as f64;
        let above = n - below;
        if above <= excess {
            break;
        }
        let term = 0.5 * (n / (2.0 * PI * below * above)).ln() + stirling_error(n)
            - stirling_error(below)
            - stirling_error(above)
            + below * (excess / below).ln_1p()
            + above * (-excess / above).ln_1p()
            + (excess / (below + excess)).ln();
        if term > largest {
            sum = sum * (largest - term).exp() + 1.0;
            largest = term;
        } else {
            sum += (term - largest).exp();
        }
    }
    largest + sum.ln()
}

/// ln k! less Stirling's formula.
fn stirling_error(k: f64) -> f64 {
    if k < 16.0 {
        let ln_factorial: f64 = (2..=k as u64).map(|i| (i as f64).ln()).sum();
        return ln_factorial - (k + 0.5) * k.ln() + k - 0.5 * (2.0 * PI).ln();
    }
    let square = k * k;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0) / square) / square) / square) / k
}

/// P(D_n < d) as an entry of a matrix power: exact.
///
/// Marsaglia, Tsang & Wang, "Evaluating Kolmogorov's Distribution" (Journal of Statistical
/// Software 8, 2003), after Durbin (1968).
fn matrix_cdf(n: u64, d: f64) -> f64 {
    let steps = n as f64 * d;
    let whole = steps.floor() as usize + 1;
    let size = 2 * whole - 1;
    let shift = whole as f64 - steps;
    let power = Scaled::power(&transition_matrix(size, shift), size, n);
    let mut result = power.cells[(whole - 1) * size + whole - 1];
    let mut exponent = power.exponent;
    for i in 1..=n {
        result *= i as f64 / n as f64;
        if result < 1e-140 {
            result *= 1e140;
            exponent -= 140;
        }
    }
    result * 10_f64.powi(exponent)
}

fn transition_matrix(size: usize, shift: f64) -> Vec<f64> {
    let mut cells = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            cells[row * size + column] = 1.0;
        }
    }
    for row in 0..size {
        cells[row * size] -= shift.powi(row as i32 + 1);
        cells[(size - 1) * size + row] -= shift.powi((size - row) as i32);
    }
    let overlap = 2.0 * shift - 1.0;
    if overlap > 0.0 {
        cells[(size - 1) * size] += overlap.powi(size as i32);
    }
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            let factorial: f64 = (1..=(row + 1 - column)).map(|i| i as f64).product();
            cells[row * size + column] /= factorial;
        }
    }
    cells
}

/// A square matrix times a power of ten.
#[derive(Clone)]
struct Scaled {
    cells: Vec<f64>,
    exponent: i32,
}

impl Scaled {
    fn power(cells: &[f64], size: usize, exponent: u64) -> Self {
        let mut base = Self {
            cells: cells.to_vec(),
            exponent: 0,
        };
        let mut result: Option<Self> = None;
        let mut left = exponent;
        while left > 0 {
            if left % 2 == 1 {
                result = Some(match result {
                    None => base.clone(),
                    Some(product) => product.times(&base, size),
                });
            }
            left /= 2;
            if left > 0 {
                base = base.times(&base, size);
            }
        }
        result.unwrap_or(base)
    }

    fn times(&self, other: &Self, size: usize) -> Self {
        let mut cells = vec![0.0; size * size];
        for (row, target) in self.cells.chunks(size).zip(cells.chunks_mut(size)) {
            for (factor, line) in row.iter().zip(other.cells.chunks(size)) {
                for (cell, value) in target.iter_mut().zip(line) {
                    *cell += factor * value;
                }
            }
        }
        let mut exponent = self.exponent + other.exponent;
        if cells[(size / 2) * size + size / 2] > 1e140 {
            cells.iter_mut().for_each(|cell| *cell *= 1e-140);
            exponent += 140;
        }
        Self { cells, exponent }
    }
}

/// P(D_n < d) by the first four terms of its expansion in 1 / sqrt(n).
///
/// W. Pelz & I. J. Good, "Approximating the Lower Tail-Areas of the Kolmogorov-Smirnov One-Sample
/// Statistic" (Journal of the Royal Statistical Society B 38, 1976).
fn pelz_good_cdf(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let (z2, pi2) = (z * z, PI * PI);
    let (z4, z6) = (z2 * z2, z2 * z2 * z2);
    let terms = (16.0 * z / PI).ceil() as u32 + 1;
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    for term in 0..terms {
        let half = f64::from(term) + 0.5;
        let w = pi2 * half * half;
        let weight = (-w / (2.0 * z2)).exp();
        k0 += weight;
        k1 += (w - z2) * weight;
        k2 += (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * w + (1.0 - 2.0 * z2) * w * w) * weight;
        k3 += (-30.0 * z6 - 90.0 * z6 * z2
            + (135.0 * z4 - 96.0 * z6) * w
            + (212.0 * z4 - 60.0 * z2) * w * w
            + (5.0 - 30.0 * z2) * w * w * w)
            * weight;
    }
    let (mut k2_rest, mut k3_rest) = (0.0, 0.0);
    for term in 1..=terms {
        let w = pi2 * f64::from(term).powi(2);
        let weight = (-w / (2.0 * z2)).exp();
        k2_rest += w * weight;
        k3_rest += (3.0 * z2 - w) * w * weight;
    }
    let root = (2.0 * PI).sqrt();
    root * (k0 / z
        + k1 / (6.0 * z4) / n.sqrt()
        + (k2 / (72.0 * z6 * z) - k2_rest / (36.0 * z2 * z)) / n
        + (k3 / (6480.0 * z6 * z4) + k3_rest / (216.0 * z6)) / n.powf(1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_value_of_the_matrix_method() {
        // Marsaglia, Tsang & Wang: K(10, 0.274) = 0.6284796154565 from their section 3.
        let found = matrix_cdf(10, 0.274);
        assert!((found - 0.628_479_615_456_5).abs() < 1e-12, "{found}");
    }

    #[test]
    fn the_methods_agree_where_they_meet() {
        for d in [0.05, 0.06, 0.08] {
            let (exact, series) = (matrix_cdf(400, d), pelz_good_cdf(400.0, d));
            assert!((exact - series).abs() < 1e-6, "{d}: {exact} {series}");
        }
        let exact = 1.0 - matrix_cdf(140, 0.17);
        let doubled = 2.0 * ln_one_sided_tail(140.0, 0.17).exp();
        assert!((exact - doubled).abs() < 1e-10, "{exact} {doubled}");
    }

    #[test]
    fn the_tail_falls_and_keeps_its_logarithm() {
        let tails: Vec<f64> = [0.00001, 0.0015, 0.02, 0.03, 0.05, 0.3, 0.6, 0.9]
            .map(|d| ln_upper_tail(1000, d))
            .into();
        assert!(tails.is_sorted_by(|a, b| a >= b), "{tails:?}");
        assert_eq!(tails[0], 0.0);
        assert!(tails[7] < -2000.0 && tails[7].is_finite());
    }
}
