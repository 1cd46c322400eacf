//! Sources that ask a server, against the real server or one that speaks as it does; it dies, returns, and says
//! nonsense. Each test skips itself, with the reason, where its server is not installed.
//!
//! What must not go wrong while a cluster forms (the rows D1 to D10 of the scenarios), and the tests that see to it:
//!
//! | row | here, in the core (`discovery::tests`), its simulator (`scenarios::discovery`), or with nodes |
//! |---|---|
//! | D1 failures and nonsense change nothing | `each_failure_is_told_by_whose_fault_it_is_and_withdraws_nobody`, `no_such_name_and_no_records_are_told_apart`, `a_source_that_fails_changes_nothing`, `a_failure_is_told_once_and_so_is_its_end` |
//! | D2 a live peer that a source forgets stays | `a_live_peer_that_all_sources_forget_stays_a_member`, `an_answer_that_rotates_withdraws_by_silence_alone` |
//! | D3 bad beacons | `ten_thousand_of_each_sort_of_bad_beacon_are_counted_and_the_next_good_one_is_heard`, `every_flipped_bit_and_every_truncation_is_refused` |
//! | D4 dead addresses first | `fifty_dead_addresses_do_not_keep_the_live_one_waiting`, `dials_in_flight_are_bounded_and_who_failed_least_goes_first` |
//! | D5 the server dies and returns | `nodes_meet_in_a_table_again_after_the_server_was_killed_and_a_row_ends_with_its_lease`, `nodes_find_each_other_and_a_lease_ends_with_its_node`, `nodes_register_and_find_each_other_again_after_the_agent_forgot_them`, `addresses_of_both_families_are_found_and_a_change_of_them` |
//! | D6 no CA file, nothing is sent | `without_a_ca_file_nothing_is_sent`, `an_api_is_checked_against_its_authority_before_the_token_is_sent` |
//! | D7 somebody else's address | `nodes_of_two_clusters_never_meet_though_one_dials_the_other`, `a_refusal_is_news_once_until_a_peer_greets_there` |
//! | D8 sources disagree | `two_sources_that_disagree_do_not_fight`, `two_sources_that_disagree_are_counted_each` |
//! | D9 a dead source at the start | `a_node_without_an_answer_from_its_source_forms_and_meets_the_others_later`, `a_start_waits_for_nobody_and_ready_for_as_many_as_it_is_told` |
//! | D10 a node that drains | `a_node_that_drains_dials_nobody_new`, `a_source_finds_peers_and_is_dropped_when_the_node_drains` |

#![cfg(feature = "server")]

#[cfg(all(feature = "ec2", feature = "ecs"))]
mod aws;
#[cfg(feature = "consul")]
mod consul;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod looking;
#[cfg(any(feature = "kubernetes", feature = "consul"))]
mod mock;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "kubernetes", feature = "postgres", feature = "etcd"))]
mod scratch;
#[cfg(any(feature = "dns", feature = "postgres", feature = "etcd"))]
mod servant;
