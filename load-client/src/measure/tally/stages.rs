//! Counts requests by the stage for which they were planned.

use crate::load::plan::Span;
use crate::measure::interval::{Frame, Interval, Place, StageFrame};
use crate::measure::summary::{StageResult, Summary};
use crate::measure::tally::Figures;
use crate::measure::threshold::{Threshold, extra_quantiles, first_broken};
use crate::measure::window::ThroughputWindow;

/// The running counts of each stage.
#[derive(Debug)]
pub(crate) struct StageTally {
    names: Vec<String>,
    stages: Vec<Stage>,
    warm_up_ns: u64,
}

#[derive(Debug)]
struct Stage {
    span: Span,
    start_ns: u64,
    end_ns: u64,
    figures: Figures,
}

impl StageTally {
    /// Makes the counts of these stages, which follow each other from the start of the run. Requests of the warm-up do
    /// not count. `names` are the names of the request kinds.
    pub(crate) fn new(names: &[String], spans: Vec<Span>, warm_up_ns: u64) -> Self {
        let mut own = Self {
            names: names.to_vec(),
            stages: Vec::new(),
            warm_up_ns,
        };
        spans.into_iter().for_each(|span| own.begin(span));
        own
    }

    /// Adds a stage after all others. Requests planned for the time between two stages count for neither.
    pub(crate) fn begin(&mut self, span: Span) {
        // The casts saturate.
        let nanoseconds = |seconds: f64| (seconds * 1e9).round() as u64;
        let start_ns = nanoseconds(span.start_seconds);
        let end_ns = nanoseconds(span.end_seconds);
        let window = ThroughputWindow::over(start_ns.max(self.warm_up_ns), end_ns);
        self.stages.push(Stage {
            span,
            start_ns,
            end_ns,
            figures: Figures::new(&self.names, 3, window),
        });
    }

    /// Returns the last stage as if it were a run, up to this moment.
    pub(crate) fn last(&self, moment_ns: u64, quantiles: &[f64]) -> Option<Summary> {
        let last = self.stages.last();
        last.map(|stage| stage.figures.summary_at(moment_ns, quantiles))
    }

    /// Ends the run earlier, before later samples are recorded.
    pub(crate) fn end_by(&mut self, end_ns: u64) {
        let stages = self.stages.iter_mut();
        stages.for_each(|stage| stage.end_by(end_ns));
    }

    /// Ends the last stage, before later samples are recorded.
    pub(crate) fn end_last(&mut self, end_ns: u64) {
        let last = self.stages.last_mut();
        last.into_iter().for_each(|stage| stage.end_by(end_ns));
    }

    /// Forgets what was recorded before this moment.
    pub(crate) fn reset(&mut self, moment_ns: u64) {
        for stage in &mut self.stages {
            let window = stage.figures.window.from(moment_ns);
            stage.figures = Figures::new(&self.names, 3, window);
        }
    }

    /// Returns the parts of the run, whose window is `window`.
    pub(crate) fn frame(&self, window: &ThroughputWindow) -> Frame {
        let stage = |stage: &Stage| StageFrame {
            start_ns: stage.start_ns,
            end_ns: stage.end_ns,
            window: stage.figures.window.clone(),
        };
        Frame {
            window: window.clone(),
            stages: self.stages.iter().map(stage).collect(),
        }
    }

    /// Adds the measurements between two looks.
    pub(crate) fn add(&mut self, interval: &Interval) {
        for (stage, own) in self.stages.iter_mut().zip(&interval.frame.stages) {
            stage.figures.window.add(&own.window);
        }
        for ((kind, place), part) in &interval.parts {
            if let Place::Stage(index) = place
                && let Some(stage) = self.stages.get_mut(usize::from(*index))
            {
                // Its rate counts all requests planned for it, whenever they were sent.
                stage.figures.count(*kind, part, part.ended());
            }
        }
    }

    /// Records one sample.
    #[cfg(test)]
    fn record(&mut self, sample: &crate::measure::summary::Sample) {
        let frame = self.frame(&ThroughputWindow::default());
        let mut interval = Interval::begin(0, &frame);
        interval.record(sample, std::time::Duration::ZERO);
        self.add(&interval);
    }

    /// Returns what each stage has measured up to this moment.
    pub(crate) fn results(&self, moment_ns: u64) -> Vec<StageResult> {
        let results = self.stages.iter().map(|stage| StageResult {
            span: stage.span_at(moment_ns),
            requests: stage.figures.total.measured.requests,
            failures: stage.figures.total.measured.failures,
            throughput: stage.figures.window.throughput_at(moment_ns),
            response: stage.figures.total.response.summary(),
        });
        results.collect()
    }

    /// Returns the first threshold that each stage breaks so far. `None` if a stage breaks none, or has not begun. Some
    /// thresholds need a whole stage. They are judged only if all requests of the stage have ended, which is so for
    /// stages that end before `settled_ns`, and if the end of the run has not cut the stage short.
    pub(crate) fn broken(
        &self,
        thresholds: &[Threshold],
        moment_ns: u64,
        settled_ns: u64,
    ) -> Vec<Option<String>> {
        let quantiles = extra_quantiles(thresholds);
        let broken = self.stages.iter().map(|stage| {
            let last_ns = stage.end_ns.saturating_sub(1);
            let is_whole = stage.end_ns <= settled_ns && stage.figures.window.is_open_at(last_ns);
            let due = thresholds.iter().filter(|own| is_whole || own.may_abort());
            first_broken(due, &stage.figures.summary_at(moment_ns, &quantiles), 1)
        });
        broken.collect()
    }
}

impl Stage {
    /// Ends its window. A stage without an end ends with it.
    fn end_by(&mut self, end_ns: u64) {
        self.figures.window.end_by(end_ns);
        if self.is_endless() {
            self.span = self.span_at(end_ns);
            self.end_ns = end_ns;
        }
    }

    fn is_endless(&self) -> bool {
        self.end_ns == u64::MAX
    }

    /// Returns the place of the stage. A stage without an end reaches up to this moment.
    fn span_at(&self, moment_ns: u64) -> Span {
        let mut span = self.span.clone();
        if self.is_endless() {
            span.end_seconds = span.start_seconds.max(moment_ns as f64 / 1e9);
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::summary::{Sample, Status};

    fn span(start_seconds: f64, end_seconds: f64) -> Span {
        Span {
            name: "step".to_owned(),
            target: "1/s".to_owned(),
            start_seconds,
            end_seconds,
        }
    }

    #[test]
    fn a_stage_without_an_end_ends_on_request_or_with_the_run() {
        let mut tally = StageTally::new(&[], vec![span(1.0, f64::INFINITY)], 0);
        let ends = |tally: &StageTally, moment_ns| {
            let results = tally.results(moment_ns);
            let ends = results.iter().map(|stage| stage.span.end_seconds);
            ends.collect::<Vec<_>>()
        };
        let mut sample = Sample::test(1_500_000_000, 5_000_000, Status::Ok);
        tally.record(&sample);
        assert_eq!(ends(&tally, 2_000_000_000), [2.0]);
        tally.end_last(3_000_000_000);
        tally.begin(span(4.0, f64::INFINITY));
        sample.intended_ns = 3_500_000_000;
        tally.record(&sample);
        // The run ends before the second stage has begun.
        tally.end_by(3_800_000_000);
        assert_eq!(ends(&tally, u64::MAX), [3.0, 4.0]);
        let counts = tally
            .results(u64::MAX)
            .into_iter()
            .map(|stage| stage.requests);
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [1, 0],
            "the time between counts for neither"
        );
    }

    #[test]
    fn a_request_counts_for_the_stage_that_it_was_meant_for() {
        let mut tally = StageTally::new(&[], vec![span(0.0, 1.0), span(1.0, 2.0)], 0);
        let mut late = Sample::test(1_500_000_000, 5_000_000, Status::Ok);
        late.intended_ns = 999_999_999;
        tally.record(&late);
        tally.record(&Sample::test(1_000_000_000, 1, Status::Timeout));
        tally.record(&Sample::test(2_000_000_001, 1, Status::Ok));
        tally.record(&Sample::test(0, 1, Status::Censored));
        let mut warm_up = Sample::test(0, 1, Status::Ok);
        warm_up.warm_up = true;
        tally.record(&warm_up);
        let results = tally.results(u64::MAX);
        let counts: Vec<_> = results
            .iter()
            .map(|result| (result.requests, result.failures))
            .collect();
        assert_eq!(counts, [(1, 0), (2, 1)]);
        // A reply counts where it arrived: the late one in the second stage, the one of the warm-up in the first.
        let rates: Vec<_> = results.iter().map(|result| result.throughput).collect();
        assert_eq!(rates, [Some(1.0), Some(1.0)]);
        assert!((results[0].response.as_ref().unwrap().max_ms - 505.0).abs() < 0.01);
    }

    #[test]
    fn a_reset_counts_from_then_on() {
        let names = ["create".to_owned()];
        let mut tally = StageTally::new(&names, vec![span(0.0, 1.0), span(1.0, 2.0)], 0);
        tally.record(&Sample::test(1, 1, Status::Ok));
        tally.record(&Sample::test(1_000_000_000, 1, Status::Timeout));
        tally.reset(1_500_000_000);
        let broken = tally.broken(&["create:failures<=0".parse().unwrap()], u64::MAX, u64::MAX);
        assert_eq!(broken, [None, None]);
        tally.record(&Sample::test(1_600_000_000, 1, Status::Ok));
        let results = tally.results(u64::MAX);
        assert_eq!((results[0].requests, results[1].requests), (0, 1));
        assert_eq!(results[1].throughput, Some(2.0));
    }

    #[test]
    fn without_stages_nothing_is_counted() {
        let mut tally = StageTally::new(&[], Vec::new(), 0);
        tally.record(&Sample::test(0, 1, Status::Ok));
        assert!(tally.results(0).is_empty());
    }

    #[test]
    fn stages_are_held_against_thresholds_of_any_kind() {
        let names = ["create".to_owned(), "find".to_owned()];
        let mut tally = StageTally::new(&names, vec![span(0.0, 1.0), span(1.0, 2.0)], 0);
        for index in 0..2000_u64 {
            let is_second = index % 2 == 1;
            // The second kind fails in the second stage.
            let outcome = match is_second && index >= 1000 {
                true => Status::Timeout,
                false => Status::Ok,
            };
            let mut sample = Sample::test(index * 1_000_000, (4 + index % 3) * 1_000_000, outcome);
            sample.kind = u16::from(is_second);
            tally.record(&sample);
        }
        let broken = |text: &str| tally.broken(&[text.parse().unwrap()], u64::MAX, u64::MAX);
        assert_eq!(broken("p97<50ms"), [None, None]);
        assert_eq!(broken("create:failures<1%"), [None, None]);
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(
            broken("failures<1%"),
            [None, told("50.000 %, the limit is failures<1%")]
        );
        assert_eq!(
            broken("timeouts<=0"),
            [None, told("500 timeouts, the limit is timeouts<=0")]
        );
        let nobody = "no request was answered well, the limit is find:service.p97<50ms";
        assert_eq!(broken("find:service.p97<50ms"), [None, told(nobody)]);
        assert!(broken("rps>=1500").iter().all(Option::is_some));
        assert_eq!(
            StageTally::new(&names, vec![span(0.0, 1.0)], 0).broken(
                &["max<1us".parse().unwrap()],
                u64::MAX,
                u64::MAX
            ),
            [None]
        );
    }

    #[test]
    fn a_rate_is_of_the_measured_seconds_of_a_stage_that_is_over() {
        const SECOND: u64 = 1_000_000_000;
        let spans = vec![span(0.0, 2.0), span(2.0, 4.0)];
        let mut tally = StageTally::new(&[], spans, SECOND);
        for index in 0..300 {
            let mut sample = Sample::test(index * SECOND / 100, 1, Status::Ok);
            sample.warm_up = sample.intended_ns < SECOND;
            tally.record(&sample);
        }
        let limits = |text: &str| [text.parse().unwrap()];
        let [enough, too_few] = [limits("rps>=100"), limits("rps>=101")];
        // The second of the warm-up is left out, like its requests.
        assert_eq!(tally.broken(&enough, 3 * SECOND, 2 * SECOND), [None, None]);
        // Requests of the first stage may still be in flight.
        let early = tally.broken(&too_few, 3 * SECOND, 2 * SECOND - 1);
        assert_eq!(early, [None, None]);
        let told = Some("100.00 per second, the limit is rps>=101".to_owned());
        let settled = tally.broken(&too_few, 3 * SECOND, 2 * SECOND);
        assert_eq!(settled, [told.clone(), None]);
        // The second stage was interrupted in its middle. It says nothing about rates, but something about latencies.
        tally.end_by(3 * SECOND);
        assert_eq!(tally.broken(&too_few, u64::MAX, u64::MAX), [told, None]);
        let slow = tally.broken(&limits("min>1s"), u64::MAX, u64::MAX);
        assert!(slow.iter().all(Option::is_some), "{slow:?}");
    }
}
