//! Can we pay? Money is reserved before a dial and settled after it, so a budget is never overrun, however
//! many calls are alive.

use super::money::Money;

/// Whether one more call at `price` fits beside what is spent and set aside.
pub fn affords(budget: Option<Money>, spent: Money, reserved: Money, price: Money) -> bool {
    budget.is_none_or(|budget| spent + reserved + price <= budget)
}

/// The highest alert level (percent) that `spent` has reached: the threshold, then the whole budget; 0 below.
pub fn level_reached(spent: Money, budget: Option<Money>, threshold_percent: i64) -> i64 {
    let Some(budget) = budget.filter(|_| spent > Money::ZERO) else { return 0 };
    match spent.percent_of(budget) {
        100.. => 100,
        percent if percent >= threshold_percent => threshold_percent,
        _ => 0,
    }
}

/// The alert levels to tell now, lowest first: those reached and above the highest one already told.
pub fn levels_crossed(told: i64, reached: i64, threshold_percent: i64) -> Vec<i64> {
    let mut levels = vec![threshold_percent, 100];
    levels.dedup();
    levels.retain(|level| (told + 1..=reached).contains(level));
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(units: i64) -> Money {
        Money::from_ten_thousandths(units * 10_000)
    }

    #[test]
    fn what_is_reserved_counts_as_spent() {
        let budget = Some(money(10));
        assert!(affords(budget, money(5), money(4), money(1)));
        assert!(!affords(budget, money(5), money(5), money(1)));
        assert!(!affords(Some(Money::ZERO), Money::ZERO, Money::ZERO, money(1)));
        assert!(affords(Some(Money::ZERO), Money::ZERO, Money::ZERO, Money::ZERO));
        assert!(affords(None, money(5), money(5), money(1)));
    }

    #[test]
    fn each_level_is_told_once_on_the_way_up() {
        let reached = |spent| level_reached(money(spent), Some(money(100)), 80);
        assert_eq!([0, 79, 80, 99, 100].map(reached), [0, 0, 80, 80, 100]);
        assert_eq!(levels_crossed(0, 80, 80), [80]);
        assert_eq!(levels_crossed(80, 80, 80), [] as [i64; 0]);
        assert_eq!(levels_crossed(0, 100, 80), [80, 100]);
        assert_eq!(levels_crossed(80, 100, 80), [100]);
        assert_eq!(levels_crossed(0, 100, 100), [100]);
    }
}
