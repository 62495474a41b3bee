//! The faults: what each is called, what it strikes, and how long it lasts.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What goes wrong in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// kill -9 of one instance of the service, which is started again
    KillService,
    /// SIGTERM to one instance, which is started again
    StopService,
    /// SIGTERM and a new start for each instance in turn
    RollingRestart,
    /// SIGSTOP of one instance for 1 to 3 s, below the group's session time-out
    PauseShort,
    /// SIGSTOP of one instance for longer than the group's session time-out
    PauseLong,
    /// kill -9 of the broker, which is started again on its data
    KillBroker,
    /// kill -9 of the store, which is started again on its data
    KillStore,
    /// kill -9 of a load client, which is started again
    KillClient,
    /// the store's connections pass nothing any more and stay open
    StoreFrozen,
    /// the store is killed, and loads its data for a while after its start
    StoreLoading,
    /// a replica takes over behind the store's address; connections to the old master stay open
    StoreFailover,
    /// each answer of the store comes late
    StoreSlow,
    /// the store has no memory left and refuses to write
    StoreFull,
    /// the store answers each write with an error
    StoreErrors,
    /// the service's connections to the broker are cut, and refused for a while
    BrokerCut,
    /// what goes between service and broker comes late
    BrokerDelay,
    /// little goes between service and broker at a time
    BrokerThrottle,
    /// the topic of the replies is deleted and made again
    ReplyTopicRemade,
    /// the topic of the requests is deleted and made again
    RequestTopicRemade,
    /// the service may not read the topic of the requests for a while
    ReadDenied,
    /// the service may not write to the topic of the replies for a while
    WriteDenied,
    /// the topic of the replies takes single replies and no batch of them, while the broker is slow
    OversizedBatches,
    /// requests come in batches that are compressed with zstd
    ZstdProducers,
    /// the topic of the requests is given more partitions
    PartitionsAdded,
    /// a load client writes its file to a full disk
    ClientDiskFull,
    /// kill -9 of the broker that leads a partition of the requests; needs --brokers 3, as all that follow
    KillLeader,
    /// kill -9 of the broker that coordinates the service's group
    KillCoordinator,
    /// kill -9 of the controller of the cluster
    KillController,
    /// SIGTERM and a new start for each broker in turn
    RollingBrokers,
    /// kill -9 of all brokers but one
    MostBrokersDown,
    /// SIGSTOP of a leader for longer than its session with the controller
    PauseLeader,
    /// the service cannot reach one leader, which all others can
    LeaderCutFromClients,
    /// the other brokers cannot reach one leader, which all others can
    LeaderCutFromPeers,
    /// a leader that is alone in sync is killed; the others wait for it
    LeaderLostAlone,
    /// the same where others may lead that lack what it had accepted (unclean.leader.election.enable)
    UncleanElection,
    /// each partition leaves a broker and comes back to it, which copies its records
    PartitionsReassigned,
    /// all partitions get another leader
    LeadersElected,
    /// a broker can write no more, as on a full disk
    BrokerDiskFull,
}

/// What a fault strikes; in a mix each part is struck once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Service,
    Broker,
    /// The brokers, of which there are several.
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

    /// Shortest and longest, milliseconds. Of what is killed: how long it stays away.
    pub(super) fn length(self) -> (u64, u64) {
        match self {
            Self::KillService
            | Self::KillBroker
            | Self::KillStore
            | Self::KillClient
            | Self::MostBrokersDown => (200, 3000),
            // The cluster gives up a broker after 6 s, unless that takes its leave.
            Self::KillLeader
            | Self::KillCoordinator
            | Self::KillController
            | Self::BrokerDiskFull => (200, 10_000),
            Self::PauseLeader => (8000, 11_000),
            // A replica that does not follow is given up after 4 s.
            Self::LeaderCutFromPeers => (6000, 9000),
            Self::LeaderLostAlone | Self::UncleanElection => (1000, 3000),
            Self::StopService | Self::RollingRestart | Self::RollingBrokers => (0, 500),
            Self::PauseShort => (1000, 3000),
            // The session time-out is 6 s.
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

    /// Whether the store has to be redis-server or valkey-server: Kvrocks has no log to load, no `FAILOVER`, no
    /// `maxmemory` and no `min-replicas-to-write`.
    pub(super) fn needs_redis(self) -> bool {
        matches!(
            self,
            Self::StoreLoading | Self::StoreFailover | Self::StoreFull | Self::StoreErrors
        )
    }

    /// Whether it takes a cluster.
    pub(super) fn needs_cluster(self) -> bool {
        self.target() == Target::Cluster
    }

    /// Whether after it a member that was replaced may still finish what it had begun: its late replies
    /// may then repeat what is committed.
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
