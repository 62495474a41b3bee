//! Decides what an error of librdkafka means for the record that was produced. Pure.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What to do with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The record, or another one of its batch, cannot be accepted as it is.
    Record,
    /// The topic does not exist.
    Missing,
    /// The topic accepts nothing from this client at present.
    Topic,
    /// The cluster accepts nothing from this client at present, for any topic.
    Service,
    /// This producer is useless from now on.
    Fatal,
    /// The local queue has no room.
    QueueFull,
    /// Another attempt may succeed: brokers come and go.
    Again,
}

/// Errors that a whole batch may get because of one record, or because of their total size.
const RECORD: [Code; 7] = [
    Code::MessageSizeTooLarge,
    Code::MessageBatchTooLarge,
    Code::InvalidMessageSize,
    // A null key in a compacted topic, or a record damaged on its way.
    Code::InvalidMessage,
    Code::InvalidRecord,
    Code::InvalidDifferentRecord,
    Code::InvalidArgument,
];

const MISSING: [Code; 5] = [
    Code::UnknownTopic,
    Code::UnknownTopicOrPartition,
    Code::UnknownPartition,
    Code::UnknownTopicId,
    // Internal topics are also refused this way.
    Code::InvalidTopic,
];

const TOPIC: [Code; 7] = [
    Code::TopicAuthorizationFailed,
    Code::PolicyViolation,
    Code::ThrottlingQuotaExceeded,
    // The record's time is this machine's clock at sending: another record would fail too.
    Code::InvalidTimestamp,
    Code::UnsupportedForMessageFormat,
    Code::UnsupportedCompressionType,
    Code::InvalidRequiredAcks,
];

const SERVICE: [Code; 9] = [
    Code::ClusterAuthorizationFailed,
    Code::TransactionalIdAuthorizationFailed,
    Code::Authentication,
    Code::SaslAuthenticationFailed,
    Code::UnsupportedSASLMechanism,
    Code::IllegalSASLState,
    Code::UnsupportedVersion,
    Code::UnsupportedFeature,
    Code::InvalidRequest,
];

const FATAL: [Code; 7] = [
    Code::Fatal,
    Code::Fenced,
    Code::ProducerFenced,
    Code::GaplessGuarantee,
    Code::State,
    Code::PurgeQueue,
    Code::PurgeInflight,
];

/// Returns what an error means. Unlisted errors count as brokers that come and go.
pub(super) fn judge(error: &KafkaError) -> Verdict {
    let Some(code) = error.rdkafka_error_code() else {
        return Verdict::Fatal;
    };
    let lists: [(&[Code], Verdict); 6] = [
        (&RECORD, Verdict::Record),
        (&MISSING, Verdict::Missing),
        (&TOPIC, Verdict::Topic),
        (&SERVICE, Verdict::Service),
        (&FATAL, Verdict::Fatal),
        (&[Code::QueueFull], Verdict::QueueFull),
    ];
    let own = lists.into_iter().find(|(codes, _)| codes.contains(&code));
    own.map_or(Verdict::Again, |(_, verdict)| verdict)
}

/// Returns whether the topic may exist without the requested partition.
pub(super) fn may_lack_partition(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| matches!(code, Code::UnknownPartition | Code::UnknownTopicOrPartition))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(code: Code) -> Verdict {
        judge(&KafkaError::MessageProduction(code))
    }

    /// The answers of brokers to Produce and InitProducerId, and librdkafka's own message errors.
    #[test]
    fn h25_each_error_of_producing_has_its_place() {
        let table: [(Verdict, &[Code]); 7] = [
            (Verdict::Record, &RECORD),
            (Verdict::Missing, &MISSING),
            (Verdict::Topic, &TOPIC),
            (Verdict::Service, &SERVICE),
            (Verdict::Fatal, &FATAL),
            (Verdict::QueueFull, &[Code::QueueFull]),
            (
                Verdict::Again,
                &[
                    Code::MessageTimedOut,
                    Code::TimedOutQueue,
                    Code::OperationTimedOut,
                    Code::RequestTimedOut,
                    Code::BrokerTransportFailure,
                    Code::AllBrokersDown,
                    Code::Resolve,
                    Code::SSL,
                    Code::BrokerDestroy,
                    Code::DestroyBroker,
                    Code::Retry,
                    Code::WaitCache,
                    Code::ISRInsufficient,
                    Code::LeaderNotAvailable,
                    Code::NotLeaderForPartition,
                    Code::BrokerNotAvailable,
                    Code::ReplicaNotAvailable,
                    Code::NetworkException,
                    Code::CoordinatorLoadInProgress,
                    Code::CoordinatorNotAvailable,
                    Code::NotCoordinator,
                    Code::NotController,
                    Code::NotEnoughReplicas,
                    Code::NotEnoughReplicasAfterAppend,
                    Code::KafkaStorageError,
                    Code::FencedLeaderEpoch,
                    Code::UnknownLeaderEpoch,
                    Code::ListenerNotFound,
                    // librdkafka repairs these by itself, and then sends again.
                    Code::OutOfOrderSequenceNumber,
                    Code::DuplicateSequenceNumber,
                    Code::UnknownProducerId,
                    Code::InvalidProducerEpoch,
                    Code::ConcurrentTransactions,
                    Code::Unknown,
                ],
            ),
        ];
        for (verdict, codes) in table {
            for code in codes {
                assert_eq!(judged(*code), verdict, "{code}");
            }
        }
        assert_eq!(judge(&KafkaError::Canceled), Verdict::Fatal);
    }
}
