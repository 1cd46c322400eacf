//! Named situations, each a few lines: what users of Swarm met, and must not meet again.

mod bounds;
mod by_bytes;
mod cuts;
mod detection;
mod discovery;
mod forgetting;
mod formation;
mod groups;
mod leaving;
mod lies;
mod messages;
mod moves;
mod placement;
mod quorum;
mod refusals;
mod registration;
mod sides;
mod supervision;
mod upgrade;

use std::time::Duration;

use skep_core::error::{LookupError, RegisterError, UnregisterError};
use skep_core::event::{MemberView, Registration, Reply, Request, Status, WorkerSpec};

use crate::calls::{managed, name};
use crate::faults::kind;
use crate::world::{ProcessId, Settings, SiteId, World};

/// A scenario by its name.
pub type Scenario = (&'static str, fn());

macro_rules! scenarios {
    ($($file:ident::$scenario:ident,)+) => {
        /// All of them, for mutants to hide from.
        pub const SCENARIOS: &[Scenario] = &[$((stringify!($scenario), $file::$scenario)),+];
    };
}

scenarios! {
    bounds::a_cluster_has_so_many_names_and_no_more,
    bounds::both_sides_of_a_cut_keep_their_names_though_there_are_too_many,
    bounds::who_speaks_the_old_version_is_told_that_its_arbiter_is_busy,
    by_bytes::what_an_attached_worker_beat_runs_on_when_the_node_of_that_is_gone,
    by_bytes::a_place_in_a_group_waits_for_its_registration_though_the_life_that_made_that_is_forgotten,
    by_bytes::who_loses_its_quorum_calls_off_what_it_has_ordered,
    by_bytes::a_barrier_is_acknowledged_only_by_an_equal_ring,
    by_bytes::a_removal_is_not_forgotten_before_all_logs_of_those_who_saw_it_are_here,
    cuts::two_halves_that_meet_again_link_by_link_become_one,
    cuts::one_of_three_that_was_cut_off_comes_back_to_the_same_names,
    cuts::a_removal_ends_what_an_arbiter_that_nobody_heard_made_of_the_same_claim,
    cuts::what_two_arbiters_made_of_one_attached_claim_is_one_the_one_that_its_caller_heard_of,
    cuts::a_place_in_a_group_is_kept_whichever_of_two_registrations_of_one_claim_goes_on,
    cuts::an_update_that_is_lost_between_any_two_is_repaired_in_seconds,
    cuts::slow_starts_and_moves_delay_nobody_else,
    detection::a_frozen_node_is_counted_down_within_the_bound,
    detection::a_short_pause_changes_nothing,
    detection::a_thawed_node_does_not_accuse_the_rest,
    detection::a_clock_that_leaps_does_not_cut_a_suspicion_short,
    detection::a_killed_node_is_down_and_its_names_run_again_in_milliseconds,
    detection::a_node_that_refuses_one_but_is_heard_by_another_is_not_counted_down,
    detection::a_lasting_cut_between_one_pair_is_bridged,
    detection::one_broken_link_disturbs_nobody,
    detection::a_node_that_dies_while_another_syncs_leaves_no_name_behind,
    forgetting::lives_that_ended_are_forgotten_and_nothing_of_them_is_left,
    forgetting::a_name_that_nobody_can_run_outlives_the_forgetting_of_its_holder,
    forgetting::two_sides_that_forgot_each_other_become_one_without_losing_or_raising_a_name,
    forgetting::whoever_stood_still_for_longer_than_forgetting_comes_back_as_someone_new,
    forgetting::who_hears_that_it_was_forgotten_blames_nobody,
    forgetting::who_reaches_both_sides_of_a_cut_that_forgot_each_other_does_not_mix_them,
    discovery::a_source_that_fails_changes_nothing,
    discovery::an_empty_answer_is_not_believed_at_once,
    discovery::a_live_peer_that_all_sources_forget_stays_a_member,
    discovery::fifty_dead_addresses_do_not_keep_the_live_one_waiting,
    discovery::two_sources_that_disagree_do_not_fight,
    discovery::a_node_without_an_answer_from_its_source_forms_and_meets_the_others_later,
    discovery::a_node_is_ready_once_enough_are_up_and_nobody_comes_or_goes,
    discovery::a_node_that_drains_dials_nobody_new,
    discovery::who_is_down_is_dialled_no_more_once_an_authority_forgets_it_and_again_when_it_is_named,
    discovery::no_live_member_is_let_go_of_whatever_an_authority_says,
    discovery::nobody_is_let_go_of_while_a_source_is_degraded,
    discovery::nobody_is_let_go_of_when_an_authority_forgets_many_at_once,
    discovery::a_side_that_an_authority_forgot_during_a_cut_comes_back,
    formation::simultaneous_boots_form_in_well_under_a_second,
    formation::newcomers_that_meet_each_other_first_wait_for_the_cluster_that_is_slow_to_answer,
    formation::nodes_that_drew_one_life_in_one_moment_form_all_the_same,
    formation::a_node_alone_forms_and_serves,
    formation::a_late_node_learns_what_the_others_know,
    formation::a_node_that_returns_under_its_old_name_is_someone_new,
    formation::a_second_live_node_of_one_name_is_refused_and_the_first_not_disturbed,
    formation::all_restart_at_once_and_form_again,
    groups::a_name_stays_in_its_groups_when_it_moves_and_leaves_them_when_it_ends,
    groups::a_group_may_be_called_as_anything_else_is,
    groups::joins_cost_the_same_in_a_group_of_any_size,
    groups::an_acknowledged_place_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement,
    groups::both_sides_of_a_cut_settle_on_the_later_word,
    groups::what_joined_and_left_is_forgotten,
    groups::a_worker_that_asks_before_it_is_registered_joins_when_it_is,
    groups::a_name_is_in_so_many_groups_and_no_more,
    leaving::a_node_that_drains_hands_all_its_names_to_others,
    leaving::a_node_that_leaves_loses_nothing_and_is_counted_as_left,
    leaving::rolling_restarts_lose_no_name,
    leaving::from_one_to_five_to_one_loses_no_name,
    lies::what_no_correct_peer_sends_ends_its_link_with_its_name,
    lies::who_closes_each_link_before_it_greets_is_not_dialled_without_a_pause,
    lies::what_may_be_honest_ends_no_link,
    lies::who_misbehaved_has_to_wait_for_its_next_link,
    lies::nobody_is_told_a_revision_of_a_third_that_this_one_cannot_refute,
    lies::what_a_life_says_of_itself_counts_whatever_was_said_before,
    lies::a_log_is_as_long_as_its_writer_says,
    lies::a_record_that_comes_with_an_answer_is_taken_of_no_log_that_its_writer_tells,
    lies::a_log_that_is_longer_than_it_may_be_ends_its_link,
    by_bytes::what_comes_over_a_link_that_came_up_while_this_one_stood_still_is_old_until_it_answers,
    by_bytes::what_a_former_life_had_and_is_taken_is_claimed_once_more,
    lies::what_claims_to_be_the_last_copy_that_can_be_counted_goes_on_all_the_same,
    lies::a_gate_waits_for_no_record_that_its_writer_does_not_have,
    lies::what_is_held_by_nobody_who_ever_was_is_held_no_more_once_its_writer_is_forgotten,
    messages::messages_to_names_that_move_to_a_new_node_come_once_and_in_order,
    messages::messages_to_names_of_a_node_that_drains_come_once_and_in_order,
    messages::what_is_forwarded_when_a_link_breaks_is_sent_again_and_taken_once,
    moves::a_node_that_joins_gets_its_share_with_all_that_the_workers_know,
    moves::a_node_that_drains_hands_over_all_that_its_workers_know,
    moves::a_worker_that_asks_to_stay_stays_until_its_node_leaves,
    moves::a_worker_whose_copy_cannot_start_goes_on_where_it_is,
    moves::a_target_that_dies_with_the_record_gives_the_worker_back,
    moves::a_target_that_falls_silent_with_the_record_under_a_quorum_gives_the_worker_back,
    moves::a_source_that_dies_before_the_record_leaves_a_copy_that_goes_on,
    moves::a_removal_that_meets_a_move_ends_the_worker_where_it_went,
    moves::what_a_winner_heard_that_went_on_elsewhere_is_not_said_again,
    moves::after_a_cut_the_winner_hears_once_what_the_beaten_copy_knew,
    moves::after_a_cut_that_heals_link_by_link_one_that_stays_goes_on_and_knows_what_all_knew,
    moves::an_end_that_one_survivor_knows_of_is_found_before_anyone_takes_over,
    moves::a_move_that_one_survivor_knows_of_is_found_before_anyone_takes_over,
    placement::a_name_that_asks_for_roles_runs_only_on_members_that_have_them_all,
    placement::a_rolling_upgrade_adds_a_kind_and_loses_no_name_of_it,
    placement::names_come_in_proportion_to_weights,
    quorum::names_that_are_stopped_with_the_quorum_are_kept_and_return_with_it,
    quorum::the_minor_side_of_a_cut_has_stopped_before_the_other_one_starts,
    quorum::one_of_many_that_is_cut_off_notices_in_time,
    quorum::a_member_that_changes_sides_takes_the_quorum_with_it_and_no_name_runs_twice,
    quorum::what_a_second_quorum_took_over_stops_before_what_the_first_one_registered_returns,
    quorum::a_node_that_starts_below_the_quorum_waits_for_it,
    refusals::of_two_nodes_of_which_one_refuses_the_other_both_know_and_both_serve,
    refusals::a_node_that_one_refuses_and_the_rest_let_in_is_a_member_all_the_same,
    registration::what_was_started_for_nobody_has_stopped_before_its_name_is_started_again,
    registration::the_scene_two_nodes_one_worker_a_kill_a_takeover,
    registration::of_two_claims_at_once_one_wins_and_the_other_hears_who,
    registration::a_thousand_names_survive_a_kill_right_after_their_acknowledgement,
    registration::an_acknowledged_name_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement,
    registration::an_acknowledged_removal_survives_the_kill_of_any_node_at_the_moment_of_its_acknowledgement,
    registration::a_worker_that_ends_at_once_is_restarted_under_its_name,
    registration::a_caller_who_gives_up_leaves_no_ghost,
    registration::what_was_removed_can_be_registered_again_with_a_later_epoch,
    registration::an_attached_worker_ends_and_its_name_is_free,
    registration::a_kind_that_nobody_knows_is_an_error_at_once,
    registration::traffic_at_rest_does_not_grow_with_the_names,
    sides::a_name_that_both_sides_of_a_cut_registered_stays_on_the_larger_one,
    sides::attached_workers_outlive_a_cut_with_their_groups_whoever_took_their_nodes_for_gone,
    sides::what_is_unregistered_while_two_registrations_stand_runs_nowhere,
    supervision::names_of_one_key_run_on_one_node_wherever_that_is,
    supervision::the_end_of_one_restarts_those_that_it_binds_in_their_order_and_no_others,
    supervision::a_worker_that_is_restarted_too_often_is_given_up_with_those_that_it_binds,
    supervision::a_failover_does_not_forget_that_a_worker_is_crash_looping,
    supervision::a_worker_that_is_restarted_too_often_goes_on_elsewhere_if_it_is_to,
    upgrade::a_cluster_is_upgraded_node_by_node_and_loses_no_name,
    upgrade::a_node_that_goes_back_to_its_old_version_is_understood,
    upgrade::who_reaches_a_newer_node_by_way_of_an_older_one_works_with_it,
}

/// Letters for the nodes of a scenario.
const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Kinds that all nodes of a scenario have.
const KINDS: &[&str] = &[kind::PLAIN, kind::SLOW, kind::MORTAL, kind::STUBBORN];

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many nodes, booted at once, all up, at rest.
pub fn cluster(seed: u64, count: usize) -> (World, Vec<ProcessId>) {
    cluster_of(Settings::calm(seed), count)
}

/// The same, in a world of these settings.
pub fn cluster_of(settings: Settings, count: usize) -> (World, Vec<ProcessId>) {
    let mut world = World::new(settings);
    let sites: Vec<SiteId> = NAMES[..count].iter().map(|name| world.site(name, KINDS)).collect();
    sites.into_iter().for_each(|site| world.boot(site));
    world.rest();
    let nodes = world.all_running();
    (world, nodes)
}

impl World {
    /// Lets time pass; a broken promise ends the scenario.
    pub fn wait(&mut self, span: Duration) {
        if let Err(violation) = self.run_for(span) {
            self.give_up(&violation.0);
        }
    }

    /// Waits until it is so, and says how long that took.
    pub fn wait_until(&mut self, within: Duration, what: &str, is_so: impl Fn(&Self) -> bool) -> Duration {
        let begin = self.now;
        match self.run_until(within, is_so) {
            Ok(true) => self.now.since(begin),
            Ok(false) => self.give_up(&format!("not within {within:?}: {what}")),
            Err(violation) => self.give_up(&violation.0),
        }
    }

    /// Waits until all is as it should be, and is quiet.
    pub fn rest(&mut self) {
        if let Err(violation) = self.come_to_rest() {
            self.give_up(&violation.0);
        }
    }

    pub fn register(&mut self, node: ProcessId, text: &str) -> Result<Registration, RegisterError> {
        self.claim(node, text, managed(kind::PLAIN))
    }

    /// The names `n0`, `n1` and so on.
    pub fn register_many(&mut self, node: ProcessId, count: usize) {
        for number in 0..count {
            assert!(self.register(node, &format!("n{number}")).is_ok());
        }
    }

    /// A cut heals path by path between these, by the numbers of their sites, with pauses of up to `most`.
    fn mend_one_by_one(&mut self, paths: &[(usize, usize)], most: Duration) {
        for &(here, there) in paths {
            self.mend_path(SiteId(here), SiteId(there));
            self.mend_path(SiteId(there), SiteId(here));
            let pause = self.random.between(Duration::ZERO, most);
            self.wait(pause);
        }
        self.oracle.heal(self.now);
    }

    /// So many of these run.
    pub fn all_run(&self, count: usize) {
        for number in 0..count {
            assert!(self.runs_on(&format!("n{number}")).is_some(), "n{number}");
        }
    }

    pub fn attach(&mut self, node: ProcessId, text: &str) -> Result<Registration, RegisterError> {
        self.claim(node, text, WorkerSpec::Attached)
    }

    pub fn claim(
        &mut self,
        node: ProcessId,
        text: &str,
        worker: WorkerSpec,
    ) -> Result<Registration, RegisterError> {
        match self.call(node, Request::Register { name: name(text), worker }) {
            Reply::Registered(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn unregister(&mut self, node: ProcessId, text: &str) -> Result<(), UnregisterError> {
        match self.call(node, Request::Unregister { name: name(text) }) {
            Reply::Unregistered(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn locate(&mut self, node: ProcessId, text: &str) -> Result<Registration, LookupError> {
        match self.call(node, Request::Locate { name: name(text) }) {
            Reply::Located(result) => result,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    pub fn members(&mut self, node: ProcessId) -> Vec<MemberView> {
        match self.call(node, Request::Members) {
            Reply::Members(members) => members,
            reply => self.give_up(&format!("{reply:?}")),
        }
    }

    /// What `node` thinks of `other`.
    pub fn status(&mut self, node: ProcessId, other: ProcessId) -> Option<Status> {
        let life = self[other].life;
        self.members(node).into_iter().find(|member| member.life == life).map(|member| member.status)
    }

    /// Where it runs, if it runs once.
    pub fn runs_on(&self, text: &str) -> Option<ProcessId> {
        match self.active_copies(&name(text))[..] {
            [(process, _)] => Some(process),
            _ => None,
        }
    }

    /// Whether `node` has counted `other` down.
    pub fn counts_down(&self, node: ProcessId, other: ProcessId) -> bool {
        self[node].counted_down.iter().any(|(_, life)| *life == self[other].life)
    }

    /// Whether anybody counted `other` down, ever.
    pub fn was_counted_down(&self, other: ProcessId) -> bool {
        self.processes
            .iter()
            .any(|process| process.counted_down.iter().any(|(_, life)| *life == self[other].life))
    }

    /// Cuts these sites off from all others, until `mend_network`.
    pub fn cut_off(&mut self, side: &[SiteId]) {
        self.oracle.split(self.now);
        for here in self.all_sites() {
            for there in self.all_sites() {
                if side.contains(&here) != side.contains(&there) {
                    self.cut(here, there);
                }
            }
        }
    }

    /// Ends all cuts.
    pub fn mend_cut(&mut self) {
        self.mend_network();
        self.oracle.heal(self.now);
    }

    /// Starts the site of a dead process again.
    pub fn restart(&mut self, dead: ProcessId) -> ProcessId {
        let site = self[dead].site;
        self.boot(site);
        self.running(site).expect("it was just booted")
    }
}
