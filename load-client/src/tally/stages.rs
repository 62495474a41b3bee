//! Counts samples by the stage that they were meant for.

use super::latencies::Latencies;
use crate::sample::{Sample, Status};
use crate::shape::Span;
use crate::summary::StageResult;
use crate::window::ThroughputWindow;

/// The running count of each stage.
#[derive(Debug)]
pub(crate) struct StageTally {
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    span: Span,
    end_ns: u64,
    requests: u64,
    failures: u64,
    response: Latencies,
    window: ThroughputWindow,
}

impl StageTally {
    /// Counts these stages, which follow each other from the start of the run; of the warm-up, nothing.
    pub(crate) fn new(spans: Vec<Span>, warm_up_ns: u64) -> Self {
        // Casts saturate.
        let nanoseconds = |seconds: f64| (seconds * 1e9).round() as u64;
        let stages = spans.into_iter().map(|span| Stage {
            end_ns: nanoseconds(span.end_seconds),
            window: ThroughputWindow::over(
                nanoseconds(span.start_seconds).max(warm_up_ns),
                nanoseconds(span.end_seconds),
            ),
            span,
            requests: 0,
            failures: 0,
            response: Latencies::with_digits(3),
        });
        Self {
            stages: stages.collect(),
        }
    }

    /// Ends the run earlier, before later samples are recorded.
    pub(crate) fn end_by(&mut self, end_ns: u64) {
        let stages = self.stages.iter_mut();
        stages.for_each(|stage| stage.window.end_by(end_ns));
    }

    /// Takes one sample. One that is meant for the very end of the run counts for the last stage.
    pub(crate) fn record(&mut self, sample: &Sample) {
        let status = sample.outcome.status();
        if status == Status::Ok
            && let Some(replied) = sample.replied_ns
            // Whichever stage it was sent in.
            && let Some(stage) = self.stages.iter_mut().find(|stage| replied < stage.end_ns)
        {
            stage.window.record(sample);
        }
        if sample.warm_up || status == Status::Censored {
            return;
        }
        let over = |stage: &Stage| stage.end_ns <= sample.intended_ns;
        let last = self.stages.len().saturating_sub(1);
        let index = self.stages.partition_point(over).min(last);
        let Some(stage) = self.stages.get_mut(index) else {
            return;
        };
        stage.requests += 1;
        stage.failures += u64::from(status.is_failure());
        if let Some(response) = sample.response_ns() {
            stage.response.record(response);
        }
    }

    /// What each stage measured up to this moment.
    pub(crate) fn results(&self, moment_ns: u64) -> Vec<StageResult> {
        let results = self.stages.iter().map(|stage| StageResult {
            span: stage.span.clone(),
            requests: stage.requests,
            failures: stage.failures,
            throughput: stage.window.throughput_at(moment_ns),
            response: stage.response.summary(),
        });
        results.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Outcome;

    fn span(start_seconds: f64, end_seconds: f64) -> Span {
        Span {
            name: "step".to_owned(),
            target: "1/s".to_owned(),
            start_seconds,
            end_seconds,
        }
    }

    #[test]
    fn a_request_counts_for_the_stage_that_it_was_meant_for() {
        let mut tally = StageTally::new(vec![span(0.0, 1.0), span(1.0, 2.0)], 0);
        let mut late = Sample::test(1_500_000_000, 5_000_000, Outcome::Ok);
        late.intended_ns = 999_999_999;
        tally.record(&late);
        tally.record(&Sample::test(1_000_000_000, 1, Outcome::TimeOut));
        tally.record(&Sample::test(2_000_000_001, 1, Outcome::Ok));
        tally.record(&Sample::test(0, 1, Outcome::Censored));
        let mut warm_up = Sample::test(0, 1, Outcome::Ok);
        warm_up.warm_up = true;
        tally.record(&warm_up);
        let results = tally.results(u64::MAX);
        let counts: Vec<_> = results
            .iter()
            .map(|result| (result.requests, result.failures))
            .collect();
        assert_eq!(counts, [(1, 0), (2, 1)]);
        // A reply counts where it arrived: the late one in the second stage, the warm-up's in the first.
        let rates: Vec<_> = results.iter().map(|result| result.throughput).collect();
        assert_eq!(rates, [Some(1.0), Some(1.0)]);
        assert!((results[0].response.as_ref().unwrap().max_ms - 505.0).abs() < 0.01);
    }

    #[test]
    fn without_stages_nothing_is_counted() {
        let mut tally = StageTally::new(Vec::new(), 0);
        tally.record(&Sample::test(0, 1, Outcome::Ok));
        assert!(tally.results(0).is_empty());
    }
}
