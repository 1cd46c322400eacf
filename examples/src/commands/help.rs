//! What `help` prints.

/// Every command, with what it does.
pub const HELP: &str = "\
register NAME [KIND [ARGS]]             run a worker under NAME, once in the cluster (KIND: singleton)
register-many PREFIX COUNT [KIND [ARGS]]  the same for PREFIX-0, PREFIX-1 ...
unregister NAME                         stop it and free the name
whereis NAME                            where it runs, as this node knows it
whereis-consistent NAME                 where it runs, as the node knows it that decides
whereis-or-register NAME [KIND [ARGS]]  where it runs, started if need be
registered                              all names
workers                                 what really runs in this process
call NAME TEXT                          send TEXT and print the reply
send NAME TEXT                          send TEXT
join GROUP NAME                         put a worker into a group
leave GROUP NAME                        take it out
members GROUP                           who is in a group
publish GROUP TEXT                      send TEXT to all in a group
multi-call GROUP TEXT                   send TEXT to all in a group and print the replies
attach NAME                             put a plain task of this process under NAME
nodes                                   the members of the cluster
owner NAME                              which node should run NAME, and why
drain                                   hand all workers to others
stats                                   counters
help                                    this
quit                                    drain and end
The register commands take --role ROLE (repeatable) behind ARGS: run it only on nodes with all of these roles.
Any of them takes --timeout MS at its end (5000). A NAME may be a JSON string: \"two words\".
Kinds: singleton counter restart stay slow flaky stubborn. All answer whoami and echo other text.";
