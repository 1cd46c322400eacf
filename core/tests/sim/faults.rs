//! What can go wrong in a world, each with a switch.

/// A sort of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A process is killed; its kernel says so to whoever is linked or dials.
    Crash,
    /// At a step of the next move its source, its target or any other node is killed, or a user removes the name.
    TroubleAtMove,
    /// A machine loses power: nobody is told anything.
    PowerLoss,
    /// All processes are killed at once.
    CrashAll,
    /// At the moment of the next good answer the node that gives it, the one that runs the worker, or any other
    /// is killed.
    CrashAtAnswer,
    /// A process leaves, kindly.
    Leave,
    /// A process drains, and leaves some time later.
    Drain,
    /// A connection breaks; what was on its way is lost, the ends hear of it soon.
    LinkBreak,
    /// A connection is dead, and its ends hear of it late.
    HalfOpen,
    /// A connection breaks again and again.
    Flapping,
    /// Some nodes do not reach the others.
    CutWhole,
    /// Some pairs do not reach each other.
    CutPartial,
    /// Nothing gets from one node to another, answers would.
    CutOneWay,
    /// One pair does not reach each other, until the end of the run.
    CutPair,
    /// A dial is refused although the process lives.
    FalseRefusal,
    /// A dial is accepted, then reset.
    AcceptThenReset,
    /// A second node starts under a name that is in use.
    Twin,
    /// A process stands still, workers included.
    Pause,
    /// A core stands still; its workers and its transport do not.
    CorePause,
    /// A clock leaps forward.
    ClockJump,
}

impl Fault {
    /// After which everybody still knows who lives: what happened can be told apart from a cut.
    pub const HONEST: &[Self] = &[
        Self::Crash,
        Self::CrashAtAnswer,
        Self::TroubleAtMove,
        Self::PowerLoss,
        Self::Leave,
        Self::Drain,
        Self::LinkBreak,
        Self::Twin,
    ];

    /// After which some are wrong about one other, and the rest sets them right: one at a time, among enough nodes.
    pub const CORRECTED: &[Self] =
        &[Self::CutPair, Self::FalseRefusal, Self::AcceptThenReset, Self::HalfOpen, Self::LinkBreak];

    /// Through which a quorum of more than half keeps every name from running twice.
    pub const EXCLUSIVE: &[Self] = &[
        Self::CutWhole,
        Self::CutWhole,
        Self::Crash,
        Self::PowerLoss,
        Self::CrashAtAnswer,
        Self::Leave,
        Self::Drain,
        Self::LinkBreak,
    ];

    /// Of which none but the victim may suffer.
    pub const STANDSTILLS: &[Self] = &[Self::Pause, Self::CorePause];

    /// After which members may be wrong about each other, or all may be lost.
    pub const HARSH: &[Self] = &[
        Self::CrashAll,
        Self::HalfOpen,
        Self::Flapping,
        Self::CutWhole,
        Self::CutPartial,
        Self::CutOneWay,
        Self::CutPair,
        Self::FalseRefusal,
        Self::AcceptThenReset,
        Self::Pause,
        Self::CorePause,
        Self::ClockJump,
    ];
}

/// What some nodes offer and some names ask for.
pub mod role {
    pub const GPU: &str = "gpu";
    pub const SSD: &str = "ssd";
}

/// Which sorts of workers there are; their kind says how they behave.
pub mod kind {
    /// Starts and stops at once.
    pub const PLAIN: &str = "plain";
    /// Takes its time to start.
    pub const SLOW: &str = "slow";
    /// Its start fails now and then.
    pub const FAILING: &str = "failing";
    /// Stops by force only.
    pub const STUBBORN: &str = "stubborn";
    /// Ends by itself now and then, and is wanted back.
    pub const MORTAL: &str = "mortal";
    /// Ends by itself now and then, and that was it.
    pub const TEMPORARY: &str = "temporary";
    /// Its start never ends unless it is cancelled.
    pub const HANGING: &str = "hanging";
    /// Blocks its thread: cannot be stopped.
    pub const BLOCKING: &str = "blocking";
    /// Only some nodes have it.
    pub const RARE: &str = "rare";

    /// Is restarted three times, and that was it. In scenarios, and where names belong together.
    pub const LIMITED: &str = "limited";
    /// Is restarted three times, and then elsewhere. In scenarios, and where names belong together.
    pub const WANDERING: &str = "wandering";
    /// Stays where it runs as long as its node does.
    pub const STAYING: &str = "staying";
    /// The same, and what it knows is for the copy that beats it. Of scenarios.
    pub const LOYAL: &str = "loyal";

    /// All but `BLOCKING`, which leaves a copy behind for good.
    pub const USUAL: &[&str] = &[PLAIN, SLOW, FAILING, STUBBORN, MORTAL, TEMPORARY, RARE, HANGING, STAYING];
}
