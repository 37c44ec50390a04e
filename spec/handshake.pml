/*
 * How two nodes find each other, agree on a session and end it (design §5 to §7).
 *
 * Both run the same steps at the same time, over one-sided reads and 8-byte writes alone: CcmCore and
 * the page that its partner reads. A read of the partner's head is two steps here, for it is wider
 * than a word and may be torn; a write is posted, lands, and completes; between any two steps anything
 * may happen. A write whose port was given up may land at any later time, until its target reboots:
 * harsher than any transport, so nothing here rests on the port's own fencing.
 *
 * A tag is the tuple it is a hash of: both boot epochs and both attempts. The four records of the
 * exchange stand for themselves: 1 peer info, 2 proof, 3 client info and grants, 4 ready.
 *
 * PAIRED: ports are connected in pairs (verbs, TCP, Loopback): each end needs the other's new one, and
 * one that is closed ends both. Without PAIRED a port reaches whatever boot and attempt stands at its
 * address, which asks more of the words themselves.
 *
 * What is checked, in every state that can be reached:
 *   one_way        a session begins only when each node has read and written the other in it
 *   two_sessions   two nodes that are both in a session are in the same one
 *   revived        no session comes back: a new one has a new attempt of this node's
 *   ready_alone    clients hear of readiness only when the partner's ports are made, too
 *   heard_twice    each client hears once that a session is ready and once that it is lost
 *   early_memory   client memory is granted only after the pair key is proven
 *   write_after_lost   no write of a session lands after its client has heard of the loss
 *   many_attempts  an attempt is taken only because something failed
 * Faults have budgets: REBOOTS, FAILS (a port fails), STANDS (a beat stands still), and LATE (one write
 * of each node may land late). No action leads back to where it began, so every run ends (`pan -l`
 * finds no cycle), and then
 *   not_ready      both are ready in the same session and their clients have heard of it
 */

#ifndef REBOOTS
#define REBOOTS 1
#endif
#ifndef FAILS
#define FAILS 1
#endif
#ifndef STANDS
#define STANDS 1
#endif

/* HandshakeState */
#define CLOSED 0
#define OPENING 1
#define FIRST_READ 2
#define FIRST_WRITE 3
#define SECOND_READ 4
#define SECOND_WRITE 5
#define AWAIT_CONFIRMED 6
#define PEER_INFO 7             /* our record 1 is published */
#define PROOF 8                 /* 2 */
#define CLIENT_INFO 9           /* 3; with Ports */
#define AWAIT_READY 10          /* 4 */
#define READY 11
#define WATCHING 12
#define REFUSED 13

/* HandshakePhase, in the status word; levels of the inbox word */
#define NOTHING 0
#define SEEN 1
#define CONFIRMED 2
#define PHASE_READY 3
#define RECORDS(n) (CONFIRMED + (n))

/* Where the effects of a session's end have got to for the clients (ClientEdge) */
#define CLEAN 0
#define MAPPED 1
#define ALERTED 2
#define DROPPED 3               /* revoked, not told: they had not heard that it was ready */
#define DROPPED_ALERTED 4       /* revoked, to be told */

#define O(i) (1 - (i))
#define IN_SESSION(i) (state[i] >= PEER_INFO && state[i] <= READY)
#ifdef BREAK_TAG_WITHOUT_ATTEMPTS
#define TAG(i) ((i) == 0 -> (epoch[0] << 12) + (partnerEpoch[0] << 4) \
    : (partnerEpoch[1] << 12) + (epoch[1] << 4))
#else
#define TAG(i) ((i) == 0 \
    -> (epoch[0] << 12) + (attempt[0] << 8) + (partnerEpoch[0] << 4) + partnerAttempt[0] \
    : (partnerEpoch[1] << 12) + (partnerAttempt[1] << 8) + (epoch[1] << 4) + attempt[1])
#endif
#ifdef BREAK_WORDS_WITHOUT_TAG
#define OURS(i) (inboxTag[i] != 0)
#else
#define OURS(i) (inboxTag[i] == tag[i] && tag[i] != 0)
#endif

/* What a node keeps */
byte state[2];
byte epoch[2] = 1;
byte attempt[2];
byte partnerEpoch[2], partnerAttempt[2];
short tag[2];
byte step[2];                   /* how far a read has come */
bool same[2], seen[2];          /* what the second read has found so far */
byte portEpoch[2], portAttempt[2];      /* which boot, and with PAIRED which attempt, it leads to */
byte posted[2];                 /* the word written last: 1 on its way, 2 landed, 0 completed */
byte postedLevel[2];
short postedTag[2];
byte edge[2];
short grantedTag[2];            /* the session in which the partner may write client memory; 0 is none */
short endedTag[2];              /* the session that clients are still to hear the end of */

/* What the partner can reach: the status word, and the inbox. A record's slot tells its session. */
byte pageAttempt[2], pagePhase[2];
short pageTag[2];
short inboxTag[2];
byte inboxLevel[2];
byte records[2];
short recordsTag[2];

/* A write whose port was given up */
short lateTag[2];
byte lateLevel[2];

/* One write of a client, in one session of its choice, into its twin's memory */
byte clientWrite[2];            /* 0 not yet, 1 on its way, 2 completed with an error, 3 over */
short clientTag[2];

/* Ghosts of the proof; they decide nothing. */
short confirmedTag[2];          /* the last tag for which W2 was posted: it had read and written then */
byte endedAttempt[2];
short readyTag[2];              /* the last tag in which its ports were made */
short lostTag[2];               /* the last session that clients have heard to be lost */
byte reboots = REBOOTS, fails = FAILS, stands = STANDS;
hidden byte one_way, two_sessions, revived, ready_alone, heard_twice, early_memory,
    write_after_lost, many_attempts, not_ready, found;

#define ATTEMPTS_MAX (2 + 2 * (REBOOTS + FAILS + STANDS))
#define REACHES(i) (portEpoch[i] == epoch[O(i)])
#ifdef PAIRED
#define CUT(i) (!REACHES(i) || portAttempt[i] != attempt[O(i)] || portEpoch[O(i)] == 0)
#else
#define CUT(i) (!REACHES(i))
#endif

#ifdef BREAK_READY_ALONE
#define PARTNER_READY(i) (true)
#else
#define PARTNER_READY(i) (OURS(i) && inboxLevel[i] >= RECORDS(4) && recordsTag[O(i)] == tag[i])
#endif
/* No client memory before the pair key is proven. */
#ifdef BREAK_MEMORY_BEFORE_PROOF
#define MAY_MAP(i) (state[i] == PROOF || state[i] == CLIENT_INFO)
#else
#define MAY_MAP(i) (state[i] == CLIENT_INFO)
#endif

inline publish(i, what) {
    pageAttempt[i] = attempt[i];
    pagePhase[i] = what;
    pageTag[i] = tag[i]
}

inline post(i, level) {
    posted[i] = 1;
    postedTag[i] = tag[i];
    postedLevel[i] = level
}

/* The port is given up: what was on its way may land much later. */
inline close_port(i) {
    if
    :: posted[i] == 1 && lateTag[i] == 0 -> lateTag[i] = postedTag[i]; lateLevel[i] = postedLevel[i]
    :: else
    fi;
    posted[i] = 0; postedLevel[i] = 0; postedTag[i] = 0;
    portEpoch[i] = 0;
    portAttempt[i] = 0
}

/* CcmCore.EndSession: clients are dropped, and a new attempt is due. */
inline end_session(i) {
    endedAttempt[i] = attempt[i];
    if
    :: edge[i] == MAPPED -> edge[i] = DROPPED; endedTag[i] = tag[i]
    :: edge[i] == ALERTED -> edge[i] = DROPPED_ALERTED; endedTag[i] = tag[i]
    :: else
    fi;
#ifndef BREAK_NO_REVOKE
    grantedTag[i] = 0;
#endif
    records[i] = 0
}

inline leave_for(i, next) {
    state[i] = next;
    step[i] = 0; same[i] = false; seen[i] = false;
    publish(i, NOTHING)
}

inline start_over(i) {
    state[i] = FIRST_READ;
    step[i] = 0; same[i] = false; seen[i] = false;
    publish(i, NOTHING)
}

inline begin_session(i) {
    one_way = confirmedTag[O(i)] != tag[i];
    assert(!one_way);
    two_sessions = IN_SESSION(O(i)) && tag[O(i)] != tag[i];
    assert(!two_sessions);
    revived = attempt[i] == endedAttempt[i];
    assert(!revived);
    state[i] = PEER_INFO;
    records[i] = 1;
    recordsTag[i] = tag[i];
    post(i, RECORDS(1))
}

inline publish_record(i, n) {
    records[i] = n;
    post(i, RECORDS(n))
}

proctype Node(byte i) {
    do
    /* -- Open: publish the attempt, then clear the inbox and open the port: two steps, for the
       partner may read the one and write the other in between -- */
    :: d_step { state[i] == CLOSED && step[i] == 0 ->
        attempt[i]++;
        many_attempts = attempt[i] > ATTEMPTS_MAX;
        assert(!many_attempts);
        tag[i] = 0;
        publish(i, NOTHING);
        step[i] = 1 }
    :: d_step { state[i] == CLOSED && step[i] == 1 ->
        inboxTag[i] = 0; inboxLevel[i] = 0;
        step[i] = 0;
        state[i] = OPENING }
#ifdef PAIRED
    /* Two new ends find each other; one step, for an end that is not connected does nothing. */
    :: d_step { i == 0 && state[0] == OPENING && state[1] == OPENING ->
        portEpoch[0] = epoch[1]; portAttempt[0] = attempt[1]; state[0] = FIRST_READ;
        portEpoch[1] = epoch[0]; portAttempt[1] = attempt[0]; state[1] = FIRST_READ }
#else
    :: d_step { state[i] == OPENING -> portEpoch[i] = epoch[O(i)]; state[i] = FIRST_READ }
#endif

    /* -- R1: identity, then status -- */
    :: d_step { state[i] == FIRST_READ && step[i] == 0 && !CUT(i) && pageAttempt[O(i)] > 0 ->
        partnerEpoch[i] = epoch[O(i)];
        step[i] = 1 }
    :: d_step { state[i] == FIRST_READ && step[i] == 1 && !CUT(i) ->
        step[i] = 0;
        partnerAttempt[i] = pageAttempt[O(i)];
        if
        :: partnerAttempt[i] > 0 ->
            tag[i] = TAG(i);
            state[i] = FIRST_WRITE;
            post(i, SEEN)
        :: else
        fi }

    /* -- W1, W2 and all later words: they land, then complete -- */
    :: d_step { posted[i] == 1 && !CUT(i) ->
        inboxTag[O(i)] = postedTag[i];
        inboxLevel[O(i)] = postedLevel[i];
        posted[i] = 2 }
    :: d_step { posted[i] == 2 && state[i] == FIRST_WRITE ->
        posted[i] = 0;
        state[i] = SECOND_READ;
        publish(i, SEEN) }
    :: d_step { posted[i] == 2 && state[i] == SECOND_WRITE ->
        posted[i] = 0;
        state[i] = AWAIT_CONFIRMED;
        publish(i, CONFIRMED) }
    :: d_step { posted[i] == 2 && state[i] >= AWAIT_CONFIRMED -> posted[i] = 0 }

    /* -- R2: identity, status, inbox. It is repeated as long as all is in order and the partner not
       there yet; here it waits for something to be there, which is the same and ends. -- */
    :: d_step { state[i] == SECOND_READ && step[i] == 0 && !CUT(i) &&
            (epoch[O(i)] != partnerEpoch[i] || pageAttempt[O(i)] != partnerAttempt[i] ||
             inboxTag[O(i)] != tag[i] || inboxLevel[O(i)] != SEEN ||
             (pageTag[O(i)] == tag[i] && pagePhase[O(i)] >= SEEN)) ->
        same[i] = epoch[O(i)] == partnerEpoch[i];
        step[i] = 1 }
    :: d_step { state[i] == SECOND_READ && step[i] == 1 && !CUT(i) ->
        same[i] = same[i] && pageAttempt[O(i)] == partnerAttempt[i];
        seen[i] = pageTag[O(i)] == tag[i] && pagePhase[O(i)] >= SEEN;
        step[i] = 2 }
    :: d_step { state[i] == SECOND_READ && step[i] == 2 && !CUT(i) ->
        step[i] = 0;
        if
        :: !same[i] || inboxTag[O(i)] != tag[i] || inboxLevel[O(i)] != SEEN -> start_over(i)
        :: else ->
            if
            :: seen[i] ->
                state[i] = SECOND_WRITE;
                confirmedTag[i] = tag[i];
                post(i, CONFIRMED)
            :: else
            fi
        fi }
#ifdef BREAK_R2_NEW_ATTEMPT
    /* Not there yet, so try again from the beginning. */
    :: d_step { state[i] == SECOND_READ && step[i] == 0 && !CUT(i) &&
            !(pageTag[O(i)] == tag[i] && pagePhase[O(i)] >= SEEN) ->
        close_port(i);
        leave_for(i, CLOSED) }
#endif

    /* -- Waiting for the partner's Confirmed. Ours is written again from time to time: a word that
       comes late from an earlier port may have taken its place. -- */
#ifndef BREAK_NO_REWRITE
    :: d_step { state[i] == AWAIT_CONFIRMED && posted[i] == 0 && !CUT(i) &&
            (inboxTag[O(i)] != tag[i] || inboxLevel[O(i)] < CONFIRMED) ->
        post(i, CONFIRMED) }
#endif
    :: d_step { state[i] == AWAIT_CONFIRMED && !CUT(i) && pageAttempt[O(i)] != partnerAttempt[i] ->
        start_over(i) }
    :: d_step { state[i] == AWAIT_CONFIRMED && OURS(i) && inboxLevel[i] >= CONFIRMED ->
        begin_session(i) }

    /* -- The exchange: the inbox tells how many records stand, then the record is read -- */
#ifndef BREAK_NO_REWRITE
    :: d_step { IN_SESSION(i) && posted[i] == 0 && !CUT(i) && records[i] > 0 &&
            (inboxTag[O(i)] != tag[i] || inboxLevel[O(i)] < RECORDS(records[i])) ->
        post(i, RECORDS(records[i])) }
#endif
    :: d_step { state[i] == PEER_INFO && posted[i] == 0 && !CUT(i) && OURS(i) &&
            inboxLevel[i] >= RECORDS(1) && recordsTag[O(i)] == tag[i] ->
        state[i] = PROOF;
        publish_record(i, 2) }
    :: d_step { state[i] == PROOF && posted[i] == 0 && !CUT(i) && OURS(i) &&
            inboxLevel[i] >= RECORDS(2) && recordsTag[O(i)] == tag[i] ->
#ifdef WRONG_KEY
        /* Refused: the port stays until the next attempt, which would end the same, and is left out. */
        publish(i, NOTHING);
        state[i] = REFUSED
#else
        state[i] = CLIENT_INFO
#endif
        }
    :: d_step { MAY_MAP(i) && records[i] == 2 && edge[i] == CLEAN && posted[i] == 0 ->
#ifdef WRONG_KEY
        early_memory = true;
        assert(!early_memory);
#endif
        edge[i] = MAPPED;
        grantedTag[i] = tag[i];
        publish_record(i, 3) }
    :: d_step { state[i] == CLIENT_INFO && records[i] == 3 && posted[i] == 0 && !CUT(i) && OURS(i) &&
            inboxLevel[i] >= RECORDS(3) && recordsTag[O(i)] == tag[i] ->
        state[i] = AWAIT_READY;
        readyTag[i] = tag[i];
        publish_record(i, 4) }
    :: d_step { state[i] == AWAIT_READY && posted[i] == 0 && !CUT(i) && PARTNER_READY(i) ->
        state[i] = READY;
        publish(i, PHASE_READY);
        ready_alone = readyTag[O(i)] != tag[i];
        assert(!ready_alone);
        heard_twice = edge[i] != MAPPED;
        assert(!heard_twice);
        edge[i] = ALERTED }

    /* -- The end of a session -- */
#ifndef BREAK_NO_WATCH
    :: d_step { IN_SESSION(i) && REACHES(i) &&
            (pageAttempt[O(i)] != partnerAttempt[i] || pageTag[O(i)] != tag[i]) ->
        end_session(i);
        close_port(i);
        leave_for(i, CLOSED) }
#endif
    :: d_step { IN_SESSION(i) && stands > 0 ->
        stands--;
        end_session(i);
        leave_for(i, WATCHING) }
    :: d_step { state[i] == WATCHING && REACHES(i) -> close_port(i); leave_for(i, CLOSED) }
    :: d_step { state[i] >= FIRST_READ && state[i] <= WATCHING && CUT(i) ->
        if
        :: IN_SESSION(i) -> end_session(i)
        :: else
        fi;
        close_port(i);
        leave_for(i, CLOSED) }
    :: d_step { state[i] >= OPENING && state[i] <= WATCHING && fails > 0 ->
        fails--;
        if
        :: IN_SESSION(i) -> end_session(i)
        :: else
        fi;
        close_port(i);
#ifdef BREAK_SESSION_REVIVED
        portEpoch[i] = epoch[O(i)];
        portAttempt[i] = attempt[O(i)];
        start_over(i)
#else
        leave_for(i, CLOSED)
#endif
        }
    :: d_step { reboots > 0 ->
        reboots--;
        close_port(i);
        epoch[i]++;
        attempt[i] = 0; state[i] = CLOSED; step[i] = 0; same[i] = false; seen[i] = false;
        tag[i] = 0; partnerEpoch[i] = 0; partnerAttempt[i] = 0;
        pageAttempt[i] = 0; pagePhase[i] = NOTHING; pageTag[i] = 0;
        inboxTag[i] = 0; inboxLevel[i] = 0; records[i] = 0; recordsTag[i] = 0;
        edge[i] = CLEAN; grantedTag[i] = 0; endedAttempt[i] = 0; endedTag[i] = 0; lostTag[i] = 0;
        clientWrite[i] = (clientWrite[i] == 1 -> 2 : clientWrite[i]);
        lateTag[O(i)] = 0; lateLevel[O(i)] = 0 }

    /* -- A word of an earlier port lands, or never does -- */
    :: d_step { lateTag[i] != 0 ->
        inboxTag[O(i)] = lateTag[i]; inboxLevel[O(i)] = lateLevel[i];
        lateTag[i] = 0; lateLevel[i] = 0 }
    od
}

/* What clients do and hear, on their own reactor (ClientEdge). */
proctype Client(byte i) {
    do
    :: d_step { edge[i] == DROPPED -> edge[i] = CLEAN; endedTag[i] = 0 }
    :: d_step { edge[i] == DROPPED_ALERTED ->
        lostTag[i] = endedTag[i];
        edge[i] = CLEAN; endedTag[i] = 0;
        /* What was in flight completes with an error; that says nothing of where it is. */
        clientWrite[i] = (clientWrite[i] == 1 -> 2 : clientWrite[i]) }
    :: d_step { edge[i] == ALERTED && clientWrite[i] == 0 -> clientWrite[i] = 1; clientTag[i] = tag[i] }
    :: d_step { (clientWrite[i] == 1 || clientWrite[i] == 2) && grantedTag[O(i)] == clientTag[i] ->
        write_after_lost = lostTag[O(i)] == clientTag[i];
        assert(!write_after_lost);
        clientWrite[i] = 3 }
    od
}

/* At any moment faults stop for good; what remains runs to its end. */
proctype Calm() {
    d_step { reboots = 0; fails = 0; stands = 0 };
    timeout;
#ifndef WRONG_KEY
    not_ready = state[0] != READY || state[1] != READY || tag[0] != tag[1] || edge[0] != ALERTED ||
        edge[1] != ALERTED;
    assert(!not_ready);
#endif
#ifdef REACH_SECOND_SESSION
    found = attempt[0] >= 2 && attempt[1] >= 2;
    assert(!found);
#endif
    skip
}

init {
    atomic { run Node(0); run Node(1); run Client(0); run Client(1); run Calm() }
}
