//! A p-value that survives underflow.
//!
//! The seed's analysis printed p = 0, which is impossible: the number was only too small for a
//! double. Keeping the logarithm keeps the information.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// Below this a p-value is shown as "< 1e-300".
const SMALLEST_SHOWN_LOG10: f64 = -300.0;

/// A probability, held as its natural logarithm.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct PValue {
    ln: f64,
}

impl PValue {
    /// A p-value from its natural logarithm; rounding above p = 1 is cut off.
    #[must_use]
    pub fn from_ln(ln: f64) -> Self {
        Self { ln: ln.min(0.0) }
    }

    /// A p-value from the probability itself, which must be above zero.
    #[must_use]
    pub fn from_probability(probability: f64) -> Option<Self> {
        (probability > 0.0).then(|| Self::from_ln(probability.ln()))
    }

    /// The probability; `None` when it is below 1e-300, where [`PValue::log10`] still tells.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.log10() >= SMALLEST_SHOWN_LOG10).then(|| self.ln.exp())
    }

    /// The natural logarithm of the probability.
    #[must_use]
    pub fn ln(self) -> f64 {
        self.ln
    }

    /// The decimal logarithm of the probability.
    #[must_use]
    pub fn log10(self) -> f64 {
        self.ln / std::f64::consts::LN_10
    }
}

impl fmt::Display for PValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value() {
            None => write!(formatter, "< 1e-300"),
            Some(value) if value < 1e-4 => write!(formatter, "{value:.2e}"),
            Some(value) => write!(formatter, "{value:.5}"),
        }
    }
}

/// `{"p": 0.031, "log10_p": -1.5, "text": "0.03100"}`; `p` is null where it underflows.
impl Serialize for PValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("PValue", 3)?;
        fields.serialize_field("p", &self.value())?;
        fields.serialize_field("log10_p", &self.log10())?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underflowing_p_is_never_zero() {
        let p = PValue::from_ln(-2000.0);
        assert_eq!(p.to_string(), "< 1e-300");
        assert_eq!(p.value(), None);
    }

    #[test]
    fn a_small_p_is_shown_by_its_exponent() {
        assert_eq!(
            PValue::from_probability(2.4477e-81).unwrap().to_string(),
            "2.45e-81"
        );
        assert_eq!(
            PValue::from_probability(0.03125).unwrap().to_string(),
            "0.03125"
        );
        assert_eq!(PValue::from_probability(0.0), None);
    }
}
