//! Quantiles of a few measurements.

/// Measurements in order.
pub(crate) struct Spread {
    sorted: Vec<f64>,
}

impl Spread {
    /// Of these measurements, of which there is at least one.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// The measurement below which `share` of them lie, by nearest rank; NaN of none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        let rank = (share * last as f64).round() as usize;
        self.sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Median and the middle half.
    pub(crate) fn text(&self) -> String {
        let (low, high) = (self.quantile(0.25), self.quantile(0.75));
        format!("{:.3} [{low:.3}–{high:.3}]", self.median())
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn quantiles_are_measurements_themselves() {
        let spread = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(spread.median(), 3.0);
        assert_eq!(spread.quantile(0.0), 1.0);
        assert_eq!(spread.quantile(1.0), 5.0);
        assert_eq!(spread.quantile(0.25), 2.0);
    }
}
