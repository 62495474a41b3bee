//! The faults: the name of each, the part that it strikes, and its length.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// A fault of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// kill -9 of one instance of the service, which then starts again
    KillService,
    /// SIGTERM to one instance, which then starts again
    StopService,
    /// SIGTERM and a new start for each instance, one after the other
    RollingRestart,
    /// SIGSTOP of one instance for 1 to 3 s, below the group's session timeout
    PauseShort,
    /// SIGSTOP of one instance for longer than the group's session timeout
    PauseLong,
    /// kill -9 of the broker, which then starts again on its data
    KillBroker,
    /// kill -9 of the store, which then starts again on its data
    KillStore,
    /// kill -9 of a load client, which then starts again
    KillClient,
    /// the store's connections stay open, but pass nothing
    StoreFrozen,
    /// kill -9 of the store, which loads its data for a while after its start
    StoreLoading,
    /// a replica takes over behind the store's address; connections to the old master stay open
    StoreFailover,
    /// each answer of the store is late
    StoreSlow,
    /// the store has no memory left, and refuses writes
    StoreFull,
    /// the store answers each write with an error
    StoreErrors,
    /// the service's connections to the broker are cut, and refused for a while
    BrokerCut,
    /// all data between service and broker is late
    BrokerDelay,
    /// the bandwidth between service and broker is small
    BrokerThrottle,
    /// the reply topic is deleted and created again
    ReplyTopicRemade,
    /// the request topic is deleted and created again
    RequestTopicRemade,
    /// the service may not read the request topic for a while
    ReadDenied,
    /// the service may not write to the reply topic for a while
    WriteDenied,
    /// the reply topic accepts single replies but no batches, while the broker is slow
    OversizedBatches,
    /// requests come in batches compressed with zstd
    ZstdProducers,
    /// the request topic gets more partitions
    PartitionsAdded,
    /// a load client writes its file to a full disk
    ClientDiskFull,
    /// kill -9 of the broker that leads a request partition; needs --brokers 3, like all below
    KillLeader,
    /// kill -9 of the broker that coordinates the service's group
    KillCoordinator,
    /// kill -9 of the controller of the cluster
    KillController,
    /// SIGTERM and a new start for each broker, one after the other
    RollingBrokers,
    /// kill -9 of all brokers but one
    MostBrokersDown,
    /// SIGSTOP of a leader for longer than its session with the controller
    PauseLeader,
    /// the service cannot reach one leader; the brokers can
    LeaderCutFromClients,
    /// the other brokers cannot reach one leader; clients can
    LeaderCutFromPeers,
    /// kill -9 of a leader that is alone in sync; the others wait for it
    LeaderLostAlone,
    /// the same, but brokers without the last records may lead (unclean.leader.election.enable)
    UncleanElection,
    /// each partition leaves a broker and comes back, which copies its records
    PartitionsReassigned,
    /// all partitions get another leader
    LeadersElected,
    /// a broker cannot write any more, as on a full disk
    BrokerDiskFull,
}

/// The part that a fault strikes. A mix strikes each part once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Service,
    Broker,
    /// A cluster of several brokers.
    Cluster,
    Store,
    Client,
}

impl Target {
    /// Whether both are the same part of the system.
    pub(super) fn is_same_part(self, other: Self) -> bool {
        let are_brokers = |target| matches!(target, Self::Broker | Self::Cluster);
        self == other || are_brokers(self) && are_brokers(other)
    }
}

impl Fault {
    /// All of them.
    pub(super) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    pub(super) fn target(self) -> Target {
        match self {
            Self::KillService
            | Self::StopService
            | Self::RollingRestart
            | Self::PauseShort
            | Self::PauseLong => Target::Service,
            Self::KillBroker
            | Self::BrokerCut
            | Self::BrokerDelay
            | Self::BrokerThrottle
            | Self::ReplyTopicRemade
            | Self::RequestTopicRemade
            | Self::ReadDenied
            | Self::WriteDenied
            | Self::OversizedBatches
            | Self::ZstdProducers
            | Self::PartitionsAdded => Target::Broker,
            Self::KillLeader
            | Self::KillCoordinator
            | Self::KillController
            | Self::RollingBrokers
            | Self::MostBrokersDown
            | Self::PauseLeader
            | Self::LeaderCutFromClients
            | Self::LeaderCutFromPeers
            | Self::LeaderLostAlone
            | Self::UncleanElection
            | Self::PartitionsReassigned
            | Self::LeadersElected
            | Self::BrokerDiskFull => Target::Cluster,
            Self::KillStore
            | Self::StoreFrozen
            | Self::StoreLoading
            | Self::StoreFailover
            | Self::StoreSlow
            | Self::StoreFull
            | Self::StoreErrors => Target::Store,
            Self::KillClient | Self::ClientDiskFull => Target::Client,
        }
    }

    /// Shortest and longest length, in milliseconds. For a killed process it is the time until its new start.
    pub(super) fn length(self) -> (u64, u64) {
        match self {
            Self::KillService
            | Self::KillBroker
            | Self::KillStore
            | Self::KillClient
            | Self::MostBrokersDown => (200, 3000),
            // The cluster removes a broker after 6 s, or at once after a graceful stop.
            Self::KillLeader
            | Self::KillCoordinator
            | Self::KillController
            | Self::BrokerDiskFull => (200, 10_000),
            Self::PauseLeader => (8000, 11_000),
            // A replica that does not follow is out of sync after 4 s.
            Self::LeaderCutFromPeers => (6000, 9000),
            Self::LeaderLostAlone | Self::UncleanElection => (1000, 3000),
            Self::StopService | Self::RollingRestart | Self::RollingBrokers => (0, 500),
            Self::PauseShort => (1000, 3000),
            // The session timeout is 6 s.
            Self::PauseLong => (8000, 11_000),
            Self::StoreSlow
            | Self::StoreLoading
            | Self::BrokerDelay
            | Self::BrokerThrottle
            | Self::OversizedBatches
            | Self::ZstdProducers => (2000, 5000),
            Self::StoreFull
            | Self::StoreErrors
            | Self::StoreFrozen
            | Self::BrokerCut
            | Self::LeaderCutFromClients
            | Self::ReadDenied
            | Self::WriteDenied => (1000, 4000),
            Self::ReplyTopicRemade | Self::RequestTopicRemade => (0, 1000),
            Self::PartitionsAdded
            | Self::StoreFailover
            | Self::ClientDiskFull
            | Self::PartitionsReassigned
            | Self::LeadersElected => (0, 0),
        }
    }

    /// Whether the store has to be redis-server or valkey-server, because Kvrocks loads no log, and has no `FAILOVER`,
    /// `maxmemory` and `min-replicas-to-write`.
    pub(super) fn needs_redis(self) -> bool {
        matches!(
            self,
            Self::StoreLoading | Self::StoreFailover | Self::StoreFull | Self::StoreErrors
        )
    }

    /// Whether it needs a cluster.
    pub(super) fn needs_cluster(self) -> bool {
        self.target() == Target::Cluster
    }

    /// Whether a replaced member may still finish its records after the fault. Its late replies may then repeat records
    /// that are committed.
    pub(super) fn leaves_zombies(self) -> bool {
        matches!(
            self,
            Self::PauseShort
                | Self::PauseLong
                | Self::BrokerCut
                | Self::BrokerDelay
                | Self::BrokerThrottle
                | Self::OversizedBatches
                | Self::KillBroker
        ) || self.needs_cluster()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}
