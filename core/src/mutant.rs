//! Rules of the protocol that can be turned off, one at a time: proof that the simulator would notice.

use crate::config::Config;

macro_rules! mutants {
    ($($(#[$doc:meta])+ $mutant:ident,)+) => {
        /// A rule that is not followed. Asked for with `Config::mutant`, which only the feature `mutants` has.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mutant {
            $($(#[$doc])+ $mutant,)+
        }

        impl Mutant {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$mutant,)+];
        }
    };
}

mutants! {
    /// The first message on a link carries no log positions, and nothing missing is pulled because of it.
    NoResyncOnLinkUp,
    /// Of two registrations of one name, met after a cut, the beaten one is never ended.
    TieNotBroken,
    /// A restart, takeover or drain keeps the epoch that the last start had.
    EpochNotRaised,
    /// Gained slots are open at once.
    BarrierSkipped,
    /// A member acknowledges a barrier whatever its own ring is.
    BarrierIgnoresRing,
    /// Who is heard of only when it leaves already is not asked what it has.
    LeaversOverlooked,
    /// Who is heard of only when it is down already may have left nothing that we do not know.
    DeadStrangersOverlooked,
    /// What an attached worker of a node that was counted down beat runs on when that node is back.
    ReturnsOverlooked,
    /// Who has yet to hear what another one knows agrees to its ring all the same.
    AgreedUnlevelled,
    /// What was handed to a node that fell silent is not kept for its names' arbiters.
    SilentTargetsKeepState,
    /// A node does not tell its name's arbiter that a worker runs whose registration was removed elsewhere.
    EndedUntold,
    /// What was halted by an arbiter that fell silent runs on while the other side of a cut may have a quorum.
    HaltedResumeEarly,
    /// Of a copy that did not hear of its end only an arbiter that may act at once takes note.
    UnheardForgotten,
    /// Who leaves gives up a copy that it had prepared only when that has stopped.
    DroppedCopiesHeld,
    /// What an attached registration of a node that is gone beat is stopped, and ended.
    BeatenByTheDead,
    /// Under a quorum a name is started although what was removed, unheard by its node, may still run.
    RemovedRunOn,
    /// A start that is not to be recorded is told to stop, and nobody waits for that.
    UnwantedStartsRunOn,
    /// The acknowledgement of a barrier carries no log positions: the gainer does not level first.
    NoPositionsInBarrier,
    /// The acknowledgement of a barrier carries no unrecorded starts, and a new arbiter hears of them late.
    ForgetUnrecordedStarts,
    /// Who acknowledged a barrier still accepts start orders of the former owner.
    OldOrdersAccepted,
    /// One record of a delta, now and then, is acknowledged and not applied.
    DeltaDropped,
    /// What is missing in the log of a dead life is not pulled from the survivors.
    NoLevelling,
    /// A suspected life does not raise its revision.
    NoRefutation,
    /// A name is registered however many there are.
    NamesUnbounded,
    /// A log of another is taken however long it is.
    LogsUnbounded,
    /// A claim is sent once.
    NoRetryOfClaims,
    /// A retried claim that was granted already is treated as another caller's.
    ClaimIdIgnored,
    /// Of two claims for one name at once, both are granted.
    ClaimsNotSerialised,
    /// A refused connection is proof, without asking the other observers.
    EvidenceNotAsked,
    /// Under a quorum a name is taken over although a registration that it beat may still run.
    OtherCopiesRunOn,
    /// A report of a start is believed of a host that has died since.
    DeadHostsAdopted,
    /// Who was forgotten accuses the others until its next life.
    ForgottenAccuse,
    /// A member that is asked whether it hears a life says no.
    HearingDenied,
    /// A refused connection proves nothing.
    EvidenceIgnored,
    /// A removal of what a replica does not know yet is not remembered there.
    RemovalForgotten,
    /// A removal is forgotten once all have it, though an older version may still be on its way to someone.
    RemovalDroppedEarly,
    /// Callers are answered before another member holds the record.
    AckBeforeCopy,
    /// Requests that find no direct link are not relayed.
    NoRelay,
    /// No indirect probes: a member that its observer cannot reach is suspected.
    NoIndirectProbes,
    /// A pause of the own process is not noticed: outstanding probes count as failed.
    PauseBlamesOthers,
    /// Both of two links that met stay.
    DuplicateLinkKept,
    /// The names of a dead member are not taken over.
    NoTakeover,
    /// A host does not stop a copy that a later record supersedes.
    SupersededRunsOn,
    /// A caller's deadline that passes does not cancel the start that it asked for.
    LateStartKept,
    /// A node comes up without waiting for the logs of those it greeted.
    UpBeforeSync,
    /// A second live node of one name is let in.
    TwinAdmitted,
    /// The names of a leaving node are removed, not handed over.
    DrainForgets,
    /// A worker is started on members without the roles that it asks for, too.
    RolesIgnored,
    /// Workers stay where they run, whatever the strategy wants.
    NeverMoves,
    /// A target that cannot start a copy is taken for one that can.
    TargetFailureNotRolledBack,
    /// A copy acts as soon as it is ready, before any record says so.
    ActsBeforeTheRecord,
    /// A worker whose target died with the record is not taken back.
    NotTakenBack,
    /// A removal that meets a move in progress counts the worker ended once its former node says so.
    StopMissesMove,
    /// A beaten copy stops without being heard.
    LoserNotHeard,
    /// The names of a dead life are taken over before its log is level among the survivors.
    TakenOverUnlevelled,
    /// A discovery source that fails withdraws all it said.
    FailureForgets,
    /// A discovery source that names nobody any more is believed at once.
    EmptyBelieved,
    /// A link is closed when no discovery source names its address any more.
    WithdrawalCloses,
    /// The address of a member that is up is let go of, too, when an authority stops to name it.
    LiveLetGo,
    /// Addresses are let go of while a source is degraded.
    LetGoInDoubt,
    /// Addresses are let go of however many they are.
    ManyLetGo,
    /// Addresses are dialled one after the other.
    DialsOneByOne,
    /// A node that leaves dials strangers.
    LeaverDials,
    /// A cluster is called formed while members come and go.
    ReadyAtOnce,
    /// Names run and are registered however few members are here.
    QuorumIgnored,
    /// Workers that are stopped for want of a quorum lose their names.
    WishesLostWithQuorum,
    /// The names of a member that fell silent are taken over before its workers have surely stopped.
    TakeoverBeforeStops,
    /// Who has a quorum again does not wait for those beyond the cut, who may have had it until then.
    OtherSideForgotten,
    /// A worker is started on members without code for it, too.
    KindsIgnored,
    /// A node that finds another one silent does not look for all the others at once.
    SilenceNotFollowedUp,
    /// Nodes whose names are denied are let in.
    ListsIgnored,
    /// The attached names of a dead life stay registered.
    AttachedOutliveTheirNode,
    /// What a life wrote does not go on in other logs, and so it is never forgotten.
    NothingHandedOn,
    /// A name that nobody can run keeps a holder who is forgotten.
    HolderForgotten,
    /// The record of a forgotten life is taken again from who still lists it.
    ForgottenReturn,
    /// Whose life was forgotten is let in again, with all that it knows.
    EstrangedLetIn,
    /// All sides of a cut take themselves for the larger one.
    AllSidesMajor,
    /// What was registered on the side that begins anew is not claimed again.
    NotClaimedAgain,
    /// What two arbiters made of one wish does not end together.
    GrantedTwiceEndedOnce,
    /// Of two registrations that were made of one wish the one that goes on has only its own places in groups.
    GroupsLostWithTheDouble,
    /// What two arbiters made of the wish for an attached worker is settled as any conflict.
    DoublesSettledByRank,
    /// Whose greeting was lost is never told how far its log is known here, while both know the same.
    LostGreetingsMissed,
    /// Of two registrations of a name only the one that stands is removed: the other one stands then.
    BeatenOutliveRemoval,
    /// A start whose caller heard that it failed is taken on when its host comes back.
    AnsweredStartsAdopted,
    /// What a former life registered is given up when it is found taken, and be it by what is about to end.
    RestoredOnlyAtOnce,
    /// A peer that keeps another link with us, which has yet to come up here, is taken for gone.
    OtherLinkForgotten,
    /// Who becomes the arbiter decides what its own callers wished, and be it answered by the former one.
    AnsweredClaimsDecided,
    /// What was removed by who took its node for gone is not registered again by that node.
    RemovedUnheard,
    /// A life is remembered for the sake of what it wrote of places in groups of registrations that nobody knows.
    OrphansKeepLives,
    /// Who stood still takes what is said on links that came up meanwhile for new.
    OldLinksTrusted,
    /// A newcomer drops places in groups of a registration that it has yet to hear of.
    OrphansEndedEarly,
    /// A link that broke before its peer greeted is redialled at once, each time.
    SilentLinksRedialled,
    /// Those who boot together come up without waiting for who may yet answer.
    NewcomersAmongThemselves,
    /// Who speaks an old wire version only is spoken to in the words of a new one.
    NewWordsForAll,
    /// A greeting is taken from who introduces itself as somebody else. This and the next seven are rules for a liar.
    StrangersGreet,
    /// Records of our own log are taken from others, and thrown away.
    ForeignLogsTaken,
    /// Records of a log are taken in any order.
    DisorderTaken,
    /// Records are taken of registrations that are yet to be made.
    FutureDotsTaken,
    /// Any epoch is taken.
    FutureEpochsTaken,
    /// Claims are taken in the name of others.
    ClaimsForOthers,
    /// Letters are passed on in any name.
    LettersInAnyName,
    /// Who misbehaved is let in again at once.
    OffendersWelcome,
    /// Any revision is believed of anyone.
    RevisionsLeap,
    /// What was first said of a life counts, whatever it says itself.
    FirstWordCounts,
    /// What is held by a life of which nobody ever heard goes on like that.
    UnknownHoldersKept,
    /// What claims to be the last copy that can be counted goes on nowhere.
    LastCopiesKept,
    /// Answers are taken to claims that were never made.
    AnswersUnasked,
    /// What others say of the length of a log counts, whatever its writer says.
    OwnersUnheeded,
    /// A gate waits for what somebody said that somebody wrote, whatever this one says.
    LiesAwaited,
    /// What others say of a log is taken although its writer tells it.
    HearsayOfLogs,
    /// A copy in an answer is taken of any log, although its writer tells it.
    HearsayOfCopies,
    /// A life that comes back between the word that it is forgotten and the forgetting is let in.
    GivenUpLetIn,
    /// A newcomer takes logs from who has one that it does not take.
    GapsOverlooked,
    /// An arbiter that loses its quorum does not call off what it has ordered.
    OrdersForgottenWithQuorum,
    /// What a beaten copy knows is offered where no state can be sent.
    OfferedOverRelays,
    /// What a beaten copy knows is offered to the next winner although the former one may have heard it.
    HeardByBoth,
    /// A winner looks again at what it has heard of a beaten copy.
    HeardAgain,
    /// Of two words on a name in a group the one counts that arrives last, so that an older join undoes a leave.
    GroupsByArrival,
    /// What is levelled of a dead life's log leaves out who is in which group.
    GroupsNotLevelled,
    /// A name that ended stays in its groups.
    GroupsOutliveTheirNames,
    /// A message for a name that went elsewhere is dropped. This and the next three are rules of the data path, which
    /// the simulator turns off around the machines of `delivery`.
    NotForwarded,
    /// What is forwarded again on another link is handled again.
    ForwardedTakenTwice,
    /// What is sent to a name that moved is not held until what was sent before has come.
    MovedNotHeld,
    /// Who asks whether all that it sent has come is told so at once.
    FlushedEarly,
    /// Who joins or leaves a group is answered before another member holds it.
    GroupsAnsweredBeforeCopy,
    /// A name that shares a key is placed by its own slot.
    KeyIgnored,
    /// A worker is restarted without those that it binds.
    CompanionsRunOn,
    /// A name whose worker was restarted too often is freed without those that it binds.
    CompanionsKept,
}

impl Config {
    /// Whether this rule is turned off. Constantly false without the feature `mutants`.
    #[doc(hidden)]
    #[inline]
    pub fn broken(&self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        return self.mutant == Some(mutant);
        #[cfg(not(feature = "mutants"))]
        {
            let _ = mutant; // nothing is broken in a build without mutants
            false
        }
    }
}
