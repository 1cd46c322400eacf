//! Who is trusted with what, what is defended, what is not, and how to run a cluster on a hostile network.
//!
//! # Who is trusted
//!
//! - **A member** is trusted with the cluster. It hears all names, may register, move and end any worker, and may
//!   call each with any message. What it sends is checked: what no correct peer sends ends its link, without a panic,
//!   without an allocation of its choice, and without harm to what other members wrote; both sides log it as a
//!   warning, and each next link of that member waits longer. What it says of others counts for less than what these say
//!   themselves: the length of their logs, their weights and kinds, whether they are there. But there are no rights
//!   within a cluster, and a member that was taken over can lie about whatever is its own to say, and about members with
//!   which the hearer has no link: it can end and move names, make a node begin a new life, and keep one that has just
//!   started from joining. Once it is gone and forgotten (`forget_after`), the others agree again, save for names of
//!   which it told some, and only these, that they had ended and that all knew of it: unregister such a name and register
//!   it anew. The simulator plays a member that sends any message at any time.
//!   One that sends more control messages than can be handled is slowed by TCP, then dropped and kept away
//!   ([`LinkBounds::flood_after`](skep::link::LinkBounds)), so that the rest goes on.
//! - **Who has the secret** is as good as a member, and under any name: all nodes have the same secret. With
//!   certificates (`session::tls`, feature `tls`) a node is let in only under the name in its own.
//! - **The user** that a node runs as. The secret that nodes of one host share by default is as safe as that user's
//!   files: other users of the host cannot read it, other programs of the same user can.
//! - **The kernel**, and root, of each host.
//!
//! # What whoever reaches the port can do
//!
//! He may connect, listen in between, change, drop, repeat and invent bytes. Then this holds:
//!
//! | he wants to | and gets |
//! |---|---|
//! | join, call, register | a refusal, before anything is shared: a link comes up only after both sides have proved that they know the secret or have a certificate |
//! | read | lengths and times. All else is encrypted, with keys that die with the link: a secret that leaks later opens no recording |
//! | change, move, drop or repeat a part | a broken link, which is redialled |
//! | play a recorded handshake again | no link: each side adds a fresh key of its own |
//! | play one node's bytes back to it | no link: the two directions have different keys, and a node refuses itself |
//! | learn secrets by trying | nothing on line. Whoever records a handshake can try secrets on the recording: so weak ones are refused at the start, and a good one is random |
//! | hold connections open | at most [`max_half_open`](crate::TcpConfig::max_half_open) of them, and [per address](crate::TcpConfig::max_half_open_per_address), for at most the [handshake's time](crate::TcpConfig::handshake_timeout), for one message of the handshake each; at the bound the oldest gives way, and honest handshakes take milliseconds |
//! | send endless or huge messages | a closed connection: before a peer is known, a message of more than some 1,100 bytes (with TLS 16 KiB) is refused by its length; later, a frame of more than 1 MiB |
//! | stop reading | the end of his own link, after [`write_stall`](crate::TcpConfig::write_stall); what waits for it is bounded ([`LinkBounds`](skep::link::LinkBounds)) |
//! | fill the log | five lines a minute for each address that is refused, the next of which tells how many were left out; none above `debug` for whoever is no node |
//!
//! # What is not defended
//!
//! - Who can flood the network, or drop all of it, cuts nodes off. With the default strategy each side of a cut then
//!   runs every name: see the epochs in the manual.
//! - Who shares a host and a user with a node can read its secret and its memory.
//! - A member that was taken over, see above. Take its secret away from it, with a new one for all others; or its
//!   authority, for there are no lists of revoked certificates.
//! - That two nodes talk, how much and when, can be seen, and that they are skep nodes from the first four bytes.
//! - Keys are overwritten in memory where they are ours. Those inside the libraries that encrypt are not, and neither
//!   are messages.
//! - A secret in the environment of a process can be read by its user and by root for as long as it runs: a file is
//!   better.
//!
//! # On a hostile network
//!
//! 1. Make a secret (`openssl rand -hex 32 > secret; chmod 600 secret`) and bring it to each host by a way that you
//!    trust. Name it by `SKEP_SECRET_FILE`, or by [`TcpConfig::secret`](crate::TcpConfig::secret). Or give each node a
//!    certificate of an authority that signs for nobody else.
//! 2. Listen on the address that the other hosts need, and on no other one.
//! 3. Let a firewall admit the other hosts alone: what cannot connect cannot try.
//! 4. Change the secret when somebody who knew it leaves: add the new one below the old one on all nodes, move it
//!    above on all, take the old one away on all. Files are read again when they change, and no link is cut; one
//!    that was made with the old secret lives on until its nodes are started again.
//! 5. Watch the log for `no link with`: a node that knocks in vain.
