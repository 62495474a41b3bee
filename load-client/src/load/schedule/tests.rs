use proptest::prelude::*;

use super::*;

fn segment(seconds: f64, from: f64, to: f64) -> Segment {
    Segment {
        duration: Duration::from_secs_f64(seconds),
        from,
        to,
    }
}

fn endless(rate: f64) -> Segment {
    Segment {
        duration: Duration::MAX,
        from: rate,
        to: rate,
    }
}

fn constant(segments: &[Segment]) -> Schedule {
    Schedule::new(segments.to_vec(), Arrivals::Constant, Share::WHOLE)
}

fn milliseconds(schedule: impl Iterator<Item = Duration>) -> Vec<u128> {
    schedule.map(|due| due.as_millis()).collect()
}

#[test]
fn constant_spacing_is_exact() {
    let due: Vec<_> = constant(&[segment(20.0, 100.0, 100.0)]).collect();
    assert_eq!(due.len(), 2000);
    let expected = (0..2000).map(|index| Duration::from_millis(10 * index));
    assert!(due.into_iter().eq(expected));
}

#[test]
fn a_ramp_meets_its_square_roots() {
    // The integral of 2t is t², so request k is due at the square root of k.
    let due = constant(&[segment(3.0, 0.0, 6.0)]).map(|due| due.as_secs_f64());
    for (index, due) in due.enumerate() {
        assert!((due - (index as f64).sqrt()).abs() < 1e-9, "{index} {due}");
    }
    let down: Vec<_> = constant(&[segment(3.0, 6.0, 0.0)]).collect();
    assert_eq!(down.len(), 9);
    assert!(down[8] - down[7] > down[1] - down[0]);
}

#[test]
fn segments_follow_each_other_without_a_gap() {
    let due = constant(&[
        segment(1.0, 2.0, 2.0),
        segment(1.0, 0.0, 0.0),
        segment(1.0, 4.0, 4.0),
    ]);
    assert_eq!(milliseconds(due), [0, 500, 2000, 2250, 2500, 2750]);
}

#[test]
fn a_changed_rate_keeps_what_was_due() {
    let mut schedule = constant(&[endless(10.0)]);
    assert_eq!(milliseconds(schedule.by_ref().take(3)), [0, 100, 200]);
    // Half a request has built up between 300 ms and 350 ms. The request of 300 ms is late and stays due.
    schedule.set_rate(Duration::from_millis(350), 100.0);
    assert_eq!(milliseconds(schedule.by_ref().take(3)), [300, 355, 365]);
    schedule.set_rate(Duration::from_secs(1), 0.0);
    assert_eq!(schedule.by_ref().count(), 63, "up to the stop");
    schedule.set_rate(Duration::from_secs(9), 1.0);
    assert!(schedule.next().unwrap() >= Duration::from_secs(9));
}

#[test]
fn a_change_holds_to_the_end_of_its_segment() {
    let mut schedule = constant(&[segment(1.0, 10.0, 10.0), segment(1.0, 2.0, 2.0)]);
    schedule.set_rate(Duration::from_millis(500), 0.0);
    assert_eq!(milliseconds(schedule), [0, 100, 200, 300, 400, 1000, 1500]);
}

#[test]
fn a_change_is_followed_though_the_schedule_had_looked_beyond_it() {
    let mut schedule = constant(&[segment(1.0, 1.0, 1.0), segment(1.0, 0.0, 0.0)]);
    assert_eq!(milliseconds(schedule.by_ref().take(1)), [0]);
    assert_eq!(schedule.peek(), None);
    schedule.set_rate(Duration::from_millis(500), 10.0);
    assert_eq!(milliseconds(schedule), [550, 650, 750, 850, 950]);
}

#[test]
fn poisson_arrivals_are_the_same_for_a_seed_and_keep_the_rate() {
    let run = |seed| {
        let arrivals = Arrivals::Poisson { seed };
        Schedule::new(vec![segment(100.0, 100.0, 100.0)], arrivals, Share::WHOLE)
            .collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    // Ten standard deviations of a Poisson count with mean 10,000.
    assert!((9000..11_000).contains(&run(1).len()), "{}", run(1).len());
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    let quarter = |count: u32| f64::from(count) / 4.0;
    let any = (1..40_u32, 0..400_u32, 0..400_u32);
    let any = any
        .prop_map(move |(seconds, from, to)| segment(quarter(seconds), quarter(from), quarter(to)));
    prop::collection::vec(any, 1..6)
}

/// Returns what each of several clients sends, as numbers with their moments. Each client begins by its delay later
/// than the first.
fn parts(segments: &[Segment], arrivals: Arrivals, late: &[Duration]) -> Vec<Vec<(u64, Duration)>> {
    let of = u32::try_from(late.len()).unwrap();
    let part = |(index, late): (u32, &Duration)| {
        let share = Share::new(index, of).unwrap();
        let mut schedule = Schedule::new(segments.to_vec(), arrivals, share);
        std::iter::from_fn(|| {
            let due = schedule.peek()?;
            let number = schedule.number();
            assert_eq!(schedule.next(), Some(due));
            Some((number, due + *late))
        })
        .collect()
    };
    (0..).zip(late).map(part).collect()
}

/// Returns the gaps between the requests of all clients together, in seconds.
fn gaps(parts: Vec<Vec<(u64, Duration)>>) -> Vec<f64> {
    let mut all: Vec<Duration> = parts.into_iter().flatten().map(|(_, due)| due).collect();
    all.sort_unstable();
    let gap = |two: &[Duration]| (two[1] - two[0]).as_secs_f64();
    all.windows(2).map(gap).collect()
}

/// Returns the largest distance of the gaps from those of a Poisson process of this rate (Kolmogorov and Smirnov).
fn distance_from_exponential(mut gaps: Vec<f64>, rate: f64) -> f64 {
    gaps.sort_unstable_by(f64::total_cmp);
    let count = gaps.len() as f64;
    let distance = |(index, gap): (usize, &f64)| {
        let expected = 1.0 - (-rate * gap).exp();
        let (below, above) = (index as f64 / count, (index + 1) as f64 / count);
        (expected - below).abs().max((above - expected).abs())
    };
    gaps.iter().enumerate().map(distance).fold(0.0, f64::max)
}

#[test]
fn poisson_arrivals_of_several_clients_are_poisson_however_late_some_begin() {
    let arrivals = Arrivals::Poisson { seed: 7 };
    let late = |milliseconds: &[u64]| -> Vec<Duration> {
        milliseconds
            .iter()
            .copied()
            .map(Duration::from_millis)
            .collect()
    };
    for late in [
        late(&[0]),
        late(&[0, 0, 0]),
        late(&[0, 40, 3]),
        late(&[7, 900, 0, 35]),
    ] {
        let parts = parts(&[segment(200.0, 100.0, 100.0)], arrivals, &late);
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        let gaps = gaps(parts);
        // The bound at 1 % (Smirnov 1948).
        let bound = 1.63 / (gaps.len() as f64).sqrt();
        let distance = distance_from_exponential(gaps, 100.0);
        assert!(
            distance < bound,
            "{late:?} {sizes:?}: {distance} of {bound}"
        );
    }
    // Giving every third request to one client does not work: its gaps are too even.
    let whole = parts(&[segment(200.0, 100.0, 100.0)], arrivals, &late(&[0])).remove(0);
    let third = whole.iter().copied().step_by(3).collect::<Vec<_>>();
    let bound = 1.63 / (third.len() as f64).sqrt();
    assert!(distance_from_exponential(gaps(vec![third]), 100.0 / 3.0) > 3.0 * bound);
}

#[test]
fn a_late_client_bunches_the_requests_of_a_constant_rate() {
    let late = [0, 4, 0].map(Duration::from_millis);
    let gaps = gaps(parts(
        &[segment(3.0, 100.0, 100.0)],
        Arrivals::Constant,
        &late,
    ));
    let milliseconds = |gap: &f64| (gap * 1e3).round() as u32;
    let found: Vec<u32> = gaps.iter().map(milliseconds).take(6).collect();
    assert_eq!(found, [14, 6, 10, 14, 6, 10]);
}

proptest! {
    #[test]
    fn clients_send_each_request_of_the_schedule_once_when_it_is_due(
        segments in segments(), seed in proptest::option::of(0..9_u64), of in 1..9_usize
    ) {
        let arrivals = seed.map_or(Arrivals::Constant, |seed| Arrivals::Poisson { seed });
        let whole = parts(&segments, arrivals, &[Duration::ZERO]).remove(0);
        let mut united = parts(&segments, arrivals, &vec![Duration::ZERO; of]).concat();
        united.sort_unstable();
        prop_assert_eq!(united, whole);
    }

    #[test]
    fn never_skips_and_never_descends(segments in segments(), seed in proptest::option::of(0..9_u64)) {
        let arrivals = seed.map_or(Arrivals::Constant, |seed| Arrivals::Poisson { seed });
        let mut schedule = Schedule::new(segments.clone(), arrivals, Share::WHOLE);
        let end: Duration = segments.iter().map(|segment| segment.duration).sum();
        let mut last = Duration::ZERO;
        let mut count = 0_u32;
        while let Some(due) = schedule.peek() {
            prop_assert_eq!(schedule.next(), Some(due));
            prop_assert!(due >= last && due <= end, "{:?} after {:?}", due, last);
            last = due;
            count += 1;
        }
        let integral: f64 = segments.iter().map(Segment::requests).sum();
        if seed.is_none() {
            // Request 0 is due at once, so a fraction at the end counts as one more request.
            prop_assert_eq!(f64::from(count), integral.ceil());
        } else {
            prop_assert!((f64::from(count) - integral).abs() <= 10.0 * integral.sqrt() + 10.0);
        }
    }

    #[test]
    fn the_kth_request_comes_when_the_integral_reaches_k(segments in segments()) {
        let schedule = Schedule::new(segments.clone(), Arrivals::Constant, Share::WHOLE);
        for (index, due) in schedule.enumerate() {
            let (mut left, mut integral) = (due.as_secs_f64(), 0.0);
            for segment in &segments {
                let seconds = left.min(segment.seconds());
                let slope = (segment.to - segment.from) / segment.seconds();
                integral += segment.from * seconds + slope * seconds * seconds / 2.0;
                left -= seconds;
            }
            // The moments are whole nanoseconds. The fastest rate here is 100 a second.
            prop_assert!((integral - index as f64).abs() < 1e-5, "{} {}", integral, index);
        }
    }
}
