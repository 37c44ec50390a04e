/*
 * Who owns a group, and what a client may see of it (rules L1, L2, L7, S1-S7, S9, S11, S12, S14).
 *
 * Two nodes run the failover monitor's decisions (GroupCore) over a mirrored log (GroupLog), with a
 * register between them that is changed by compare-and-swap. The model is of GroupCore and GroupLog
 * as they are, not of an idea of them: one action below is one event of the storage reactor, taken
 * whole, because that thread takes one event whole. Whatever the reactor waits for is two or three
 * actions: a one-sided write is posted, lands, and completes; a swap is sent, lands, and is answered.
 * Between any two actions anything else may happen: a crash, the other node's action, a session's
 * end that only one side has seen. A pause is a node that is not scheduled. No clock exists, so every
 * delay, grace and limit of the code is a free choice here: the partner may count as gone at any
 * moment without a session.
 *
 * A copy is a set of writes, one bit each (W of them). `must` collects what the world relies on:
 * every acknowledged write and every write that an answered read has shown.
 *
 * What is checked, in every state that can be seen:
 *   two_servers   never can both nodes answer for a group at one moment (S2)
 *   lost_write    whoever begins to serve has all of `must` (L1, S4, S6, S11)
 *   stale_read    a read shows all that was relied on when it arrived (S5)
 *   stale_serves  a node that the register calls stale does not serve (S2)
 *   forgetful_serves  nor does one that forgot, unless forced (L7)
 *   lacks         a partner in sync has all of `must`, so that it could take over (S3, S11)
 * With CALM also convergence. Faults have budgets, and at some moment, any moment, they stop for good
 * (`calm`). There are no clients that read in CALM, so no action leads back to where it began: a run
 * must end, and `pan -l` proves that there is no cycle at all. What it ends in is then checked
 * (`not_converged`). Nothing is assumed of the scheduler but that what can go on does.
 *
 * Budgets (-D): W writes, CRASHES, BREAKS (a session or a mirror ends though both nodes live),
 * LOSSES (a swap or its answer is not heard of), WISHES (planned takeovers), FORCES, FORGETS (a node
 * loses its log), GROUPS. READS lets clients read. spec/check lists what is run, and spec/README.md
 * says why these bounds are enough.
 */

#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef W
#define W 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef WISHES
#define WISHES 0
#endif
#ifndef FORCES
#define FORCES 0
#endif
#ifndef FORGETS
#define FORGETS 0
#endif

#define NX (2 * GROUPS)

/* LogRole */
#define IDLE 0
#define PASSIVE 1
#define FENCED 2
#define FROZEN 3
#define MIRRORED 4
#define RESYNCING 5
#define ALONE 6

/* RegisterEntry: owner, sync state (stale is always the other one), and whether it was forced. */
#define NEW 0
#define INSYNC 1
#define STALE 2
#define ENTRY(own, sync) ((own) | ((sync) << 1))
#define OWNER(e) ((e) & 1)
#define SYNC(e) (((e) >> 1) & 3)
#define FORCED 8

/* SwapIntent */
#define NONE 0
#define MARK 1
#define MADEINSYNC 2
#define TAKEOVER 3
#define HANDOVER 4

/* GroupCore.LogOperation, with how far it has come */
#define PUSH_EQUAL 1
#define PUSH_EQUAL_LANDED 2
#define PUSH_FORMAT 3
#define PUSH_FORMAT_BUILDING 4
#define PUSH_FORMAT_LANDED 5
#define COPY 6
#define COPY_LANDED 7
#define DRAIN 8
#define DRAINED 9

/* A swap on its way */
#define SENT 1
#define WON 2
#define LOST 3

/* The session as a node sees it */
#define OUT 0
#define OFFERED 1
#define IN 2

/* What was read of the partner's view */
#define V_PASSIVE 1
#define V_IDLE 2
#define V_TAKEOVER 4
#define V_FORGOT 8
#define V_REQUEST 16

#define LOWEST(mask) ((mask) & (~(mask) + 1))
#define NODE(x) ((x) & 1)
#define GROUP(x) ((x) >> 1)
#define OTHER(x) ((x) ^ 1)

/* The world: the register, and swaps that nobody waits for but that may still land. */
byte term[GROUPS], entry[GROUPS];
byte ghostTerm[2 * GROUPS], ghostEntry[2 * GROUPS];     /* two for each group */

/* A node; index: node. */
bool up[2] = true;
bool gone[2];                   /* CALM: never comes back */
byte link[2];

/* A group on a node; index: 2 * group + node. What is durable: */
byte copy[NX];                  /* the writes in this node's NVRAM */
bool forgot[NX], lost[NX];      /* LogFacts.Forgot and .Lost */
byte highest[NX];               /* DurableMemory.HighestTerm */
byte intentTerm[NX], intent[NX];

/* ... and what a crash takes away: */
byte role[NX];
byte known[NX], knownEntry[NX]; /* GroupCore.Known: term and entry; term 0 is none */
byte swap[NX], swapEntry[NX];   /* swap under way; its term is intentTerm */
byte view[NX], viewTerm[NX];    /* GroupCore.partner; viewTerm is the term told plus 1, 0 is none */
byte operation[NX];             /* the log operation under way */
bool failed[NX];                /* GroupLog.PartnerFailed, while frozen */
bool excused[NX], forced[NX];
byte forceTerm[NX];
bool passiveIn[NX];             /* GroupCore.passiveIn is this session */
bool request[NX];
bool offer[NX];                 /* this copy is offered in this session */

/* One-sided memory: the key that x holds for its partner's copy, and what is on its way there. */
#define NO_KEY 0
#define LIVE 1
#define DEAD 2
byte key[NX];
byte wire[NX];                  /* posted in this life of the mirror, not landed */
byte oldWire[NX];               /* posted in an earlier life; may land, tells nobody */
byte landed[NX];                /* landed, completion not yet taken */
byte beat[NX];                  /* 1 posted, 2 landed */
byte waiting[NX];               /* in the own copy, not acknowledged */
byte read[NX];                  /* 1 waits for a beat to be posted, 2 a beat posted since covers it */
byte need[NX];                  /* what the waiting read must show */

#ifdef BREAK_S4_LOOK_BEFORE_REVOKE
byte lookedAt[NX];
#endif

/* Ghosts of the proof; they decide nothing. */
byte must[GROUPS];
byte written[GROUPS];
byte crashes = CRASHES, breaks = BREAKS, losses = LOSSES, wishes = WISHES, forces = FORCES,
     forgets = FORGETS;
bool calm;
hidden byte two_servers, lost_write, stale_read, stale_serves, forgetful_serves, lacks,
    not_converged, seen;

#define UNDECIDED(x) (intentTerm[x] > 0 && known[x] < intentTerm[x])
#define OWNS(x) (known[x] > 0 && OWNER(knownEntry[x]) == NODE(x))
#define ABIDES(x) (known[x] > 0 && OWNER(knownEntry[x]) != NODE(x))
#define KNOWN_SYNC(x) SYNC(knownEntry[x])
#define PARTNER_STALE(x) (OWNS(x) && KNOWN_SYNC(x) == STALE)
#define SERVES(x) (role[x] == ALONE || role[x] == RESYNCING || role[x] == MIRRORED)
#define CAN_ANSWER(x) (up[NODE(x)] && (role[x] == ALONE || role[x] == RESYNCING \
    || (role[x] == MIRRORED && key[x] == LIVE)))
#define SESSION(x) (link[NODE(x)] == IN)
#define PARTNER_PASSIVE(x) (SESSION(x) && key[x] != NO_KEY && viewTerm[x] > 0 \
    && (view[x] & V_PASSIVE) && !(view[x] & V_TAKEOVER) && viewTerm[x] - 1 <= known[x])
#define PARTNER_FORGOT_IN_SYNC(x) (KNOWN_SYNC(x) == INSYNC && (view[x] & V_FORGOT) \
    && viewTerm[x] - 1 == known[x])
#define OWNER_FORGOT(x) ((view[x] & V_FORGOT) && (view[x] & V_IDLE) \
    && viewTerm[x] - 1 == known[x])

/* Never safety: S2 and S4 hold however wrong this is, so it is any moment without a session. */
#define PARTNER_GONE(x) (link[NODE(x)] != IN || failed[x])

/* S2: by itself, only what the register calls in sync; or forced under exactly this term (S12). */
#ifdef BREAK_S2_STALE_TAKES_OVER
#define MAY_TAKE(x) (KNOWN_SYNC(x) != NEW)
#else
#define MAY_TAKE(x) (KNOWN_SYNC(x) == INSYNC)
#endif
#define WANTS_TAKEOVER(x) (!UNDECIDED(x) && ((forceTerm[x] == known[x] && !SESSION(x)) \
    || (forceTerm[x] != known[x] && MAY_TAKE(x) && !forgot[x] \
        && (PARTNER_GONE(x) || OWNER_FORGOT(x)))))

/* L7: an owner that forgot never serves, unless forced; a new register excuses an empty node. */
#ifdef BREAK_L7_FORGETFUL_SERVES
#define MAY_NOT_SERVE(x) (false)
#else
#define MAY_NOT_SERVE(x) (OWNS(x) && forgot[x] && KNOWN_SYNC(x) != NEW && !forced[x])
#endif

/* The operator's word that the other node is dead has to stay true until its swap is decided. */
#define FORCE_PENDING(x) ((forceTerm[x] > 0 && forceTerm[x] == known[x]) \
    || (swap[x] == SENT && (swapEntry[x] & FORCED)))
#define FORCED_GHOST(g) ((ghostEntry[2 * (g)] & FORCED) || (ghostEntry[2 * (g) + 1] & FORCED))

/* Whoever is not owner any more stops before anything else; a fenced owner's push ends in service. */
#define PUSHING(x) (operation[x] >= PUSH_EQUAL && operation[x] <= COPY_LANDED)
#ifdef BREAK_S2_FENCED_PUSH_GOES_ON
#define MUST_STOP(x) (role[x] >= FROZEN)
#else
#define MUST_STOP(x) (role[x] >= FROZEN || PUSHING(x))
#endif

/* ---- The log ---- */

/* GroupLog.StopMirroring. What was posted under a key that lives may still land. */
inline stop_mirroring(x) {
    if
    :: key[x] == LIVE -> oldWire[x] = oldWire[x] | wire[x]
    :: else
    fi;
    wire[x] = 0;
    landed[x] = 0;
    beat[x] = 0;
    if
    :: read[x] == 2 -> read[x] = 1
    :: else
    fi
}

/* IRegion.Revoke on x's copy: what its partner has posted and what it will post is rejected. */
inline revoke(x) {
    offer[x] = false;
#ifndef BREAK_S4_NO_REVOKE
    oldWire[OTHER(x)] = 0;
    if
    :: key[OTHER(x)] == LIVE -> key[OTHER(x)] = DEAD
    :: else
    fi
#endif
}

/* Whoever can answer holds all that the world relies on. */
inline check_relied(g) {
    lost_write = (CAN_ANSWER(2 * g) && (must[g] & ~copy[2 * g]) != 0) ||
        (CAN_ANSWER(2 * g + 1) && (must[g] & ~copy[2 * g + 1]) != 0);
    assert(!lost_write)
}

inline check_servers(x) {
    two_servers = CAN_ANSWER(x) && CAN_ANSWER(OTHER(x));
    assert(!two_servers);
    lost_write = CAN_ANSWER(x) && (must[GROUP(x)] & ~copy[x]) != 0;
    assert(!lost_write);
    stale_serves = SYNC(entry[GROUP(x)]) == STALE && OWNER(entry[GROUP(x)]) != NODE(x) &&
        CAN_ANSWER(x);
    assert(!stale_serves);
    forgetful_serves = CAN_ANSWER(x) && forgot[x] && KNOWN_SYNC(x) != NEW && !forced[x];
    assert(!forgetful_serves)
}

/* A read is answered from what is acknowledged here (L1): the copy without what still waits. */
inline answer(x) {
#ifdef BREAK_L1_READ_BEFORE_MIRROR
    must[GROUP(x)] = must[GROUP(x)] | copy[x];
    stale_read = (need[x] & ~copy[x]) != 0;
#else
    stale_read = (need[x] & ~(copy[x] & ~waiting[x])) != 0;
#endif
    assert(!stale_read);
    read[x] = 0;
    need[x] = 0
}

/* GroupLog.ServeAlone */
inline serve_alone(x) {
#ifdef BREAK_S4_LOOK_BEFORE_REVOKE
    if
    :: role[x] == FENCED -> revoke(x); copy[x] = lookedAt[x]
    :: else
    fi;
#endif
    stop_mirroring(x);
    role[x] = ALONE;
    operation[x] = 0;
    lost[x] = false;
    failed[x] = false;
    waiting[x] = 0;
    check_servers(x);
    must[GROUP(x)] = must[GROUP(x)] | copy[x];
    if
    :: read[x] > 0 -> answer(x)
    :: else
    fi
}

/* GroupLog.Fail: what beats or log need is gone (S5); mirrored rules bind until the register says. */
inline fail_mirror(x) {
    stop_mirroring(x);
    key[x] = NO_KEY;
    failed[x] = failed[x] || role[x] == MIRRORED || (role[x] == FROZEN && operation[x] != 0);
    operation[x] = 0;
    if
    :: role[x] == MIRRORED -> role[x] = FROZEN
    :: role[x] == RESYNCING -> role[x] = ALONE
    :: else
    fi
}

/* GroupCore.GoIdle, GroupLog.StepDown: before anything else (S2). */
inline go_idle(x) {
    stop_mirroring(x);
    role[x] = IDLE;
    operation[x] = 0;
    waiting[x] = 0;
    read[x] = 0;
    need[x] = 0;
    failed[x] = false;
    passiveIn[x] = false;
    forced[x] = false
}

/* GroupLog.Fence: revoke, probe, work from what is held after that (S4). */
inline fence(x) {
    stop_mirroring(x);
#ifdef BREAK_S4_LOOK_BEFORE_REVOKE
    lookedAt[x] = copy[x];
#else
    revoke(x);
#endif
    operation[x] = 0;
    role[x] = FENCED
}

/* ---- The register ---- */

/* GroupCore.Learn, and what DecideRole makes of it in the same step. */
inline learn(x, t, e) {
    if
    :: t > known[x] && t >= highest[x] ->
        known[x] = t;
        knownEntry[x] = e & 7;
        highest[x] = t;
        if
        :: intentTerm[x] <= t -> intentTerm[x] = 0; intent[x] = NONE
        :: else
        fi;
        excused[x] = excused[x] || forced[x] || SYNC(e) == NEW ||
            (SYNC(e) == STALE && OWNER(e) != NODE(x));
        if
        :: SYNC(e) == INSYNC && forgot[x] && excused[x] && !lost[x] -> forgot[x] = false
        :: else
        fi;
        if
        :: SYNC(e) == INSYNC -> excused[x] = false
        :: else
        fi;
        if
        :: OWNER(e) == NODE(x) -> request[x] = false
        :: else
        fi;
        if
#ifndef BREAK_S2_LOSER_GOES_ON
        :: OWNER(e) != NODE(x) && MUST_STOP(x) -> go_idle(x)
#endif
        :: MAY_NOT_SERVE(x) && role[x] != IDLE -> go_idle(x)
        :: else
        fi
    :: else
    fi
}

/* What stands in the register makes every older swap impossible. */
inline forget_ghosts(g) {
    if
    :: ghostTerm[2 * g] > 0 && ghostTerm[2 * g] <= term[g] ->
        ghostTerm[2 * g] = 0; ghostEntry[2 * g] = 0
    :: else
    fi;
    if
    :: ghostTerm[2 * g + 1] > 0 && ghostTerm[2 * g + 1] <= term[g] ->
        ghostTerm[2 * g + 1] = 0; ghostEntry[2 * g + 1] = 0
    :: else
    fi
}

/* The compare-and-swap itself. A forced entry gives up, by the operator's word, what its node lacks. */
inline land(g, t, e) {
    if
    :: term[g] + 1 == t ->
#ifdef REACH_IN_SYNC_AGAIN
        seen = SYNC(e) == INSYNC && SYNC(entry[g]) == STALE && must[g] > 0;
        assert(!seen);
#endif
        term[g] = t;
        entry[g] = e & 7;
        if
        :: (e & FORCED) -> must[g] = must[g] & copy[2 * g + OWNER(e)]
        :: else
        fi;
        forget_ghosts(g)
    :: else
    fi
}

/* GroupCore.SwapTo and SendSwap: the intent is durable before the swap is anywhere (S3). */
inline swap_to(x, why, e) {
    intent[x] = (UNDECIDED(x) -> intent[x] : why);
    intentTerm[x] = known[x] + 1;
    swapEntry[x] = e;
    swap[x] = SENT
}

#define MINE(x) ENTRY(NODE(x), STALE)
#define BOTH_GOOD(x) ENTRY(NODE(x), INSYNC)
#define GIVEN_AWAY(x) ENTRY(NODE(OTHER(x)), INSYNC)

/* A swap that nobody will hear of: kept so that it may land late, dropped when there is no room. */
inline make_ghost(g, t, e) {
    if
    :: t != term[g] + 1
    :: t == term[g] + 1 && ghostTerm[2 * g] == 0 ->
        ghostTerm[2 * g] = t; ghostEntry[2 * g] = e
    :: t == term[g] + 1 && ghostTerm[2 * g] > 0 && ghostTerm[2 * g + 1] == 0 ->
        ghostTerm[2 * g + 1] = t; ghostEntry[2 * g + 1] = e
    :: else
    fi
}

/* ---- Sessions, as each node sees them ---- */

/* SessionLost: GroupLog.PartnerCopy(null) and GroupCore.ForgetPartner. */
inline leave_session(x) {
    fail_mirror(x);
    failed[x] = false;
    view[x] = 0;
    viewTerm[x] = 0;
    passiveIn[x] = false;
    offer[x] = false
}

/* SessionUp: GroupLog.SessionBegan offers a passive copy again, under a new key. */
inline join_session(x) {
    view[x] = 0;
    viewTerm[x] = 0;
    failed[x] = false;
    passiveIn[x] = false;
    if
    :: role[x] == PASSIVE -> revoke(x); offer[x] = true
    :: else
    fi
}

/* A swap that was under way may land later, as may one-sided writes that the card has taken. */
inline crash_group(x) {
    if
    :: swap[x] == SENT -> make_ghost(GROUP(x), intentTerm[x], swapEntry[x])
    :: else
    fi;
    stop_mirroring(x);
    swap[x] = 0; swapEntry[x] = 0; known[x] = 0; knownEntry[x] = 0; role[x] = IDLE;
    key[x] = NO_KEY; view[x] = 0; viewTerm[x] = 0; operation[x] = 0; failed[x] = false;
    excused[x] = false; forced[x] = false; forceTerm[x] = 0; passiveIn[x] = false;
    request[x] = false; offer[x] = false; waiting[x] = 0; read[x] = 0; need[x] = 0;
    oldWire[OTHER(x)] = 0;
    if
    :: key[OTHER(x)] == LIVE -> key[OTHER(x)] = DEAD
    :: else
    fi
}

#if GROUPS == 2
#define EACH(what, i) what(i); what(2 + (i))
#define EITHER(array, i) (array[i] || array[2 + (i)])
#define ANY_FORCE(i) (FORCE_PENDING(i) || FORCE_PENDING(2 + (i)) || FORCED_GHOST(0) || FORCED_GHOST(1))
#define HAS_ALL(i) (!forgot[i] && !forgot[2 + (i)] && (must[0] & ~copy[i]) == 0 \
    && (must[1] & ~copy[2 + (i)]) == 0)
#define OTHER_GROUP_CUT(x) (key[(x) ^ 2] == DEAD)
#else
#define EACH(what, i) what(i)
#define EITHER(array, i) array[i]
#define ANY_FORCE(i) (FORCE_PENDING(i) || FORCED_GHOST(0))
#define HAS_ALL(i) (!forgot[i] && (must[0] & ~copy[i]) == 0)
#define OTHER_GROUP_CUT(x) (false)
#endif

inline lose_copy(x) {
    copy[x] = 0;
    oldWire[x] = 0;
    forgot[x] = true;
    lost[x] = true
}

/* A node as a whole: its boots, its end, and the session's. */
proctype Node(byte i) {
    do
    :: d_step { link[i] == OUT && link[1 - i] == OUT && up[0] && up[1] && i == 0 ->
        link[0] = OFFERED; link[1] = OFFERED }
    :: d_step { link[i] == OFFERED -> link[i] = IN; EACH(join_session, i) }
    :: d_step { link[i] == OFFERED && link[1 - i] == OUT -> link[i] = OUT }

    /* The end of a session, seen by one side; its offers are withdrawn then, or not yet. */
    :: d_step { link[i] == IN && (link[1 - i] == OUT || EITHER(failed, i)) ->
        link[i] = OUT; EACH(leave_session, i) }
    :: d_step { link[i] == IN && (link[1 - i] == OUT || EITHER(failed, i)) ->
        link[i] = OUT; EACH(leave_session, i); EACH(revoke, i) }
    :: d_step { link[i] == IN && !calm && breaks > 0 ->
        breaks--; link[i] = OUT; EACH(leave_session, i) }
    :: d_step { link[i] == IN && !calm && breaks > 0 ->
        breaks--; link[i] = OUT; EACH(leave_session, i); EACH(revoke, i) }

    :: d_step { up[i] && !calm && crashes > 0 ->
        crashes--; up[i] = false; link[i] = OUT; EACH(crash_group, i) }
    :: d_step { !up[i] && !gone[i] && !ANY_FORCE(1 - i) -> up[i] = true }
#ifdef CALM
    :: d_step { calm && !up[i] && up[1 - i] && !gone[1 - i] && !gone[i] -> gone[i] = true }
#endif
#if FORGETS > 0
    /* The machine loses its power, but never while it is the last to hold what is relied on. */
    :: d_step { !up[i] && !calm && forgets > 0 && HAS_ALL(1 - i) ->
        forgets--; EACH(lose_copy, i) }
#endif
    od
}

/* ---- One group on one node ---- */

/* Without a session the partner may count as gone at one moment and not at the next; that alone
   would lead round and round. */
#ifdef CALM
#define MAY_GIVE_UP(x) (!WANTS_TAKEOVER(x))
#else
#define MAY_GIVE_UP(x) (true)
#endif
#define DRAINING(x) (operation[x] == DRAIN || operation[x] == DRAINED)
#ifdef BREAK_S11_IN_SYNC_EARLY
#define HOLDS_ALL(x) (true)
#else
#define HOLDS_ALL(x) (((wire[x] | landed[x]) & ~waiting[x]) == 0)
#endif
#define SEES(x) ((role[OTHER(x)] == PASSIVE -> V_PASSIVE : 0) \
    + (role[OTHER(x)] == IDLE -> V_IDLE : 0) \
    + (UNDECIDED(OTHER(x)) && intent[OTHER(x)] == TAKEOVER -> V_TAKEOVER : 0) \
    + (forgot[OTHER(x)] && !forced[OTHER(x)] -> V_FORGOT : 0) \
    + (request[OTHER(x)] -> V_REQUEST : 0))

/* GroupCore.ServeWith, GroupLog.ServeWithPartner under mirrored rules */
inline serve_mirrored(x) {
    role[x] = MIRRORED;
    operation[x] = 0;
    failed[x] = false
}

/* GroupCore.FreezeWhenPartnerLost, GroupLog.Freeze */
inline freeze(x) {
    stop_mirroring(x);
    operation[x] = 0;
    role[x] = FROZEN
}

proctype Group(byte x) {
    do
    /* -- The register: read, swap, and what becomes of a swap -- */
    :: d_step { up[NODE(x)] && swap[x] == NONE && known[x] < term[GROUP(x)] ->
        learn(x, term[GROUP(x)], entry[GROUP(x)]) }
    :: d_step { swap[x] == SENT ->
        swap[x] = (term[GROUP(x)] + 1 == intentTerm[x] -> WON : LOST);
        land(GROUP(x), intentTerm[x], swapEntry[x]) }
    :: d_step { swap[x] == WON ->
        swap[x] = NONE; learn(x, intentTerm[x], swapEntry[x]); swapEntry[x] = 0 }
    :: d_step { swap[x] == LOST ->
        swap[x] = NONE; swapEntry[x] = 0; learn(x, term[GROUP(x)], entry[GROUP(x)]) }
#if LOSSES > 0
    /* No answer: undecided (S3), whether it has landed, will land, or never does. */
    :: d_step { swap[x] != NONE && !calm && losses > 0 ->
        losses--;
        if
        :: swap[x] == SENT -> make_ghost(GROUP(x), intentTerm[x], swapEntry[x])
        :: else
        fi;
#ifdef BREAK_S3_UNDECIDED_AS_FAILED
        intentTerm[x] = 0; intent[x] = NONE;
#endif
        swap[x] = NONE; swapEntry[x] = 0 }
#endif
#ifndef BREAK_S3_NEVER_SETTLED
    /* GroupCore.Settle: a no-op swap on the same term decides it, whoever wins. */
    :: d_step { up[NODE(x)] && UNDECIDED(x) && known[x] > 0 && swap[x] == NONE ->
        swap_to(x, intent[x], knownEntry[x]) }
#endif

    /* -- The partner, in this session -- */
    :: d_step { SESSION(x) && link[1 - NODE(x)] == IN &&
            (viewTerm[x] != known[OTHER(x)] + 1 || view[x] != SEES(x)) ->
        viewTerm[x] = known[OTHER(x)] + 1;
        view[x] = SEES(x);
        learn(x, known[OTHER(x)], knownEntry[OTHER(x)]) }
    :: d_step { SESSION(x) && link[1 - NODE(x)] == IN && offer[OTHER(x)] && key[x] != LIVE ->
        if
        :: key[x] == DEAD -> fail_mirror(x)
        :: else
        fi;
        key[x] = LIVE }
    :: d_step { (role[x] == MIRRORED || role[x] == RESYNCING || PUSHING(x)) && SESSION(x) &&
            (key[x] == DEAD || link[1 - NODE(x)] != IN || OTHER_GROUP_CUT(x)) ->
        fail_mirror(x) }
    :: d_step { (role[x] == MIRRORED || role[x] == RESYNCING || PUSHING(x)) && SESSION(x) &&
            !calm && breaks > 0 ->
        breaks--; fail_mirror(x) }

    /* -- GroupCore.DecideOwner -- */
    :: d_step { OWNS(x) && role[x] == IDLE && !MAY_NOT_SERVE(x) -> role[x] = FROZEN }
    :: d_step { OWNS(x) && role[x] == PASSIVE && operation[x] == NONE ->
#ifdef BREAK_S14_SERVE_WITHOUT_FENCE
        role[x] = FENCED
#else
        fence(x)
#endif
        }
    :: d_step { (role[x] == FENCED || role[x] == FROZEN) && operation[x] == NONE &&
            !UNDECIDED(x) && PARTNER_STALE(x) ->
#ifdef REACH_TAKEOVER_SERVED
        seen = role[x] == FENCED && must[GROUP(x)] > 0;
        assert(!seen);
#endif
#ifdef REACH_FORCED
        seen = forceTerm[x] > 0 && known[x] == forceTerm[x] + 1;
        assert(!seen);
#endif
        serve_alone(x) }
    :: d_step { OWNS(x) && (role[x] == FENCED || role[x] == FROZEN) && operation[x] == NONE &&
            (UNDECIDED(x) || !PARTNER_STALE(x)) && PARTNER_PASSIVE(x) &&
            (!failed[x] || KNOWN_SYNC(x) == NEW || UNDECIDED(x)) &&
            ((KNOWN_SYNC(x) == NEW && !UNDECIDED(x)) ||
                (KNOWN_SYNC(x) != NEW && !(view[x] & V_FORGOT) &&
                    (KNOWN_SYNC(x) == INSYNC ||
                        (UNDECIDED(x) && intent[x] == MADEINSYNC && KNOWN_SYNC(x) == STALE)))) ->
        lost[x] = false;
        failed[x] = false;
        operation[x] = (KNOWN_SYNC(x) == NEW -> PUSH_FORMAT : PUSH_EQUAL) }
    :: d_step { OWNS(x) && (role[x] == FENCED || role[x] == FROZEN) && operation[x] == NONE &&
            !UNDECIDED(x) && swap[x] == NONE && KNOWN_SYNC(x) == INSYNC &&
            (PARTNER_GONE(x) || PARTNER_FORGOT_IN_SYNC(x)) ->
#ifdef BREAK_S1_NO_MARK
        serve_alone(x)
#else
        swap_to(x, MARK, MINE(x))
#endif
        }
    :: d_step { role[x] == MIRRORED && PARTNER_FORGOT_IN_SYNC(x) -> freeze(x) }
    :: d_step { OWNS(x) && role[x] == MIRRORED && !UNDECIDED(x) && swap[x] == NONE &&
            KNOWN_SYNC(x) != INSYNC && !DRAINING(x) &&
            PARTNER_PASSIVE(x) && viewTerm[x] - 1 == known[x] && HOLDS_ALL(x) ->
        swap_to(x, MADEINSYNC, BOTH_GOOD(x)) }
    :: d_step { OWNS(x) && role[x] == ALONE && operation[x] == NONE && !UNDECIDED(x) &&
            PARTNER_PASSIVE(x) && viewTerm[x] - 1 == known[x] ->
        lost[x] = false;
        operation[x] = PUSH_FORMAT }
    :: d_step { OWNS(x) && role[x] == ALONE && !PARTNER_STALE(x) -> go_idle(x) }

    /* -- Making the partner's copy equal (S7), or anew (S11). One port, in order: what was posted
       before lands before. -- */
    :: d_step { operation[x] == PUSH_EQUAL && key[x] == LIVE && oldWire[x] == 0 ->
        lacks = !lost[OTHER(x)] && (must[GROUP(x)] & ~copy[OTHER(x)]) != 0;
        assert(!lacks);
        if
        :: !lost[OTHER(x)] && (copy[OTHER(x)] & ~copy[x]) != 0 ->
            /* L2: the partner's copy has more, so this one forgot. */
            forgot[x] = true;
            lost[x] = true;
            go_idle(x)
        :: else ->
#ifndef BREAK_S7_NO_PUSH
            copy[OTHER(x)] = (lost[OTHER(x)] -> copy[OTHER(x)] : copy[x]);
#endif
            operation[x] = PUSH_EQUAL_LANDED
        fi }
    :: d_step { operation[x] == PUSH_EQUAL_LANDED ->
#ifdef REACH_RESUMED
        seen = role[x] == FROZEN && must[GROUP(x)] > 0;
        assert(!seen);
#endif
#ifdef REACH_HANDED_OVER
        seen = role[x] == FENCED && must[GROUP(x)] > 0;
        assert(!seen);
#endif
        serve_mirrored(x);
        waiting[x] = wire[x] | landed[x];
        check_servers(x);
        must[GROUP(x)] = must[GROUP(x)] | (copy[x] & ~waiting[x]);
        check_relied(GROUP(x)) }
    :: d_step { operation[x] == PUSH_FORMAT && key[x] == LIVE && oldWire[x] == 0 ->
        copy[OTHER(x)] = 0;
        forgot[OTHER(x)] = true;
        lost[OTHER(x)] = true;
        operation[x] = PUSH_FORMAT_BUILDING }
    :: d_step { operation[x] == PUSH_FORMAT_BUILDING && key[x] == LIVE ->
        copy[OTHER(x)] = (KNOWN_SYNC(x) == NEW -> copy[x] : copy[OTHER(x)]);
        lost[OTHER(x)] = false;
        operation[x] = PUSH_FORMAT_LANDED }
    :: d_step { operation[x] == PUSH_FORMAT_LANDED && KNOWN_SYNC(x) == NEW ->
        serve_mirrored(x);
        waiting[x] = wire[x] | landed[x];
        must[GROUP(x)] = must[GROUP(x)] | (copy[x] & ~waiting[x]) }
    :: d_step { operation[x] == PUSH_FORMAT_LANDED && KNOWN_SYNC(x) == STALE ->
        role[x] = RESYNCING;
        operation[x] = COPY;
        check_servers(x) }
    :: d_step { operation[x] == COPY && key[x] == LIVE && oldWire[x] == 0 ->
#ifndef BREAK_S11_NO_COPY
        copy[OTHER(x)] = copy[OTHER(x)] | (copy[x] & ~wire[x]);
#endif
        operation[x] = COPY_LANDED }
    :: d_step { operation[x] == COPY_LANDED -> serve_mirrored(x); check_servers(x) }

    /* -- GroupCore.DecideHandover (S14) -- */
#if WISHES > 0
    :: d_step { up[NODE(x)] && ABIDES(x) && !calm && wishes > 0 && !request[x] ->
        wishes--; request[x] = true }
    :: d_step { request[x] -> request[x] = false }
    :: d_step { OWNS(x) && role[x] == MIRRORED && KNOWN_SYNC(x) == INSYNC && operation[x] == NONE &&
            !UNDECIDED(x) && swap[x] == NONE && (view[x] & V_PASSIVE) && !(view[x] & V_FORGOT) &&
            (view[x] & V_REQUEST) ->
        operation[x] = DRAIN }
    :: d_step { operation[x] == DRAIN && waiting[x] == 0 && read[x] == 0 -> operation[x] = DRAINED }
    :: d_step { operation[x] == DRAINED && OWNS(x) && !UNDECIDED(x) && swap[x] == NONE ->
        swap_to(x, HANDOVER, GIVEN_AWAY(x)) }
    :: d_step { DRAINING(x) && swap[x] == NONE && (UNDECIDED(x) || !(view[x] & V_REQUEST)) ->
        operation[x] = NONE }
#endif

    /* -- GroupCore.DecidePassive -- */
    :: d_step { ABIDES(x) && WANTS_TAKEOVER(x) && role[x] <= PASSIVE && operation[x] == NONE ->
        fence(x) }
    :: d_step { ABIDES(x) && WANTS_TAKEOVER(x) && role[x] == FENCED && swap[x] == NONE ->
        swap_to(x, TAKEOVER, MINE(x) | (forceTerm[x] == known[x] -> FORCED : 0)) }
    :: d_step { ABIDES(x) && role[x] == FENCED && swap[x] == NONE &&
            !(UNDECIDED(x) && intent[x] == TAKEOVER) && MAY_GIVE_UP(x) ->
        go_idle(x) }
    :: d_step { ABIDES(x) && SESSION(x) && !passiveIn[x] && operation[x] == NONE &&
            role[x] <= PASSIVE && !WANTS_TAKEOVER(x) &&
            !(UNDECIDED(x) && intent[x] == TAKEOVER) ->
        passiveIn[x] = true;
        if
        :: role[x] == IDLE -> revoke(x); offer[x] = true; role[x] = PASSIVE
        :: else
        fi }

    /* -- Force (S12): the operator's word that the other node is dead -- */
#if FORCES > 0
    :: d_step { up[NODE(x)] && (ABIDES(x) || MAY_NOT_SERVE(x)) && !calm && forces > 0 &&
            !up[1 - NODE(x)] && !SESSION(x) && forceTerm[x] != known[x] ->
        forces--; forceTerm[x] = known[x] }
    :: d_step { MAY_NOT_SERVE(x) && role[x] == IDLE && forceTerm[x] == known[x] && !UNDECIDED(x) &&
            swap[x] == NONE ->
        swap_to(x, TAKEOVER, MINE(x) | FORCED) }
    :: d_step { MAY_NOT_SERVE(x) && role[x] == IDLE && forceTerm[x] > 0 &&
            known[x] == forceTerm[x] + 1 && PARTNER_STALE(x) ->
        forced[x] = true }
#endif
#if FORGETS > 0
    /* Damage that is found while the node runs (L2). */
    :: d_step { up[NODE(x)] && (role[x] == PASSIVE || SERVES(x)) && !calm && forgets > 0 &&
            !forgot[OTHER(x)] && (must[GROUP(x)] & ~copy[OTHER(x)]) == 0 ->
        forgets--;
        copy[x] = 0; forgot[x] = true; lost[x] = true;
        if
        :: MAY_NOT_SERVE(x) -> go_idle(x)
        :: else
        fi }
#endif

    /* -- Clients' writes -- */
    :: d_step { up[NODE(x)] && role[x] >= FROZEN && !DRAINING(x) && written[GROUP(x)] < W ->
        copy[x] = copy[x] | (1 << written[GROUP(x)]);
        if
        :: role[x] == MIRRORED || role[x] == RESYNCING || operation[x] == PUSH_EQUAL_LANDED ||
                operation[x] == PUSH_FORMAT_BUILDING || operation[x] == PUSH_FORMAT_LANDED ->
            wire[x] = wire[x] | (1 << written[GROUP(x)])
        :: else
        fi;
        if
        :: role[x] == ALONE || role[x] == RESYNCING ->
            must[GROUP(x)] = must[GROUP(x)] | (1 << written[GROUP(x)])
        :: else ->
            waiting[x] = waiting[x] | (1 << written[GROUP(x)])
        fi;
#ifdef BREAK_L1_ACKNOWLEDGE_BEFORE_MIRROR
        if
        :: role[x] == MIRRORED && key[x] == LIVE ->
            must[GROUP(x)] = must[GROUP(x)] | waiting[x];
            waiting[x] = 0
        :: else
        fi;
#endif
        written[GROUP(x)] = written[GROUP(x)] + 1;
        check_relied(GROUP(x)) }
    :: d_step { wire[x] != 0 && key[x] == LIVE ->
        copy[OTHER(x)] = copy[OTHER(x)] | LOWEST(wire[x]);
        landed[x] = landed[x] | LOWEST(wire[x]);
        wire[x] = wire[x] & ~LOWEST(wire[x]) }
    :: d_step { oldWire[x] != 0 ->
#ifdef REACH_LATE_WRITE
        seen = (copy[OTHER(x)] & oldWire[x]) == 0;
        assert(!seen);
#endif
        copy[OTHER(x)] = copy[OTHER(x)] | LOWEST(oldWire[x]);
        oldWire[x] = oldWire[x] & ~LOWEST(oldWire[x]) }
    :: d_step { landed[x] != 0 ->
        if
        :: role[x] == MIRRORED ->
            must[GROUP(x)] = must[GROUP(x)] | landed[x];
            waiting[x] = waiting[x] & ~landed[x]
        :: else
        fi;
        landed[x] = 0;
        check_relied(GROUP(x)) }

#ifdef READS
    /* -- Clients' reads: what arrives must be shown all that was relied on when it arrived -- */
    :: d_step { up[NODE(x)] && role[x] >= FROZEN && !DRAINING(x) && read[x] == 0 ->
        need[x] = must[GROUP(x)];
        if
        :: role[x] == ALONE || role[x] == RESYNCING -> answer(x)
        :: else ->
            read[x] = 1;
#ifdef BREAK_S5_EARLIER_BEAT
            if
            :: beat[x] != 0 -> read[x] = 2
            :: else
            fi
#endif
#ifdef BREAK_S5_NO_BEAT
            if
            :: role[x] == MIRRORED -> answer(x)
            :: else
            fi
#endif
        fi }
    /* Its connection ends (S8); the beat does not. */
    :: d_step { read[x] > 0 -> read[x] = 0; need[x] = 0 }
    :: d_step { role[x] == MIRRORED && read[x] == 1 && beat[x] == 0 -> beat[x] = 1; read[x] = 2 }
    :: d_step { beat[x] == 1 && key[x] == LIVE -> beat[x] = 2 }
    :: d_step { beat[x] == 2 ->
        beat[x] = 0;
        if
        :: read[x] == 2 && role[x] == MIRRORED -> answer(x)
        :: else
        fi }
#endif
    od
}

#if LOSSES > 0 || CRASHES > 0
/* Swaps of which nobody will hear land when they like, or never. */
proctype LateSwaps(byte slot) {
    do
    :: d_step { ghostTerm[slot] > 0 && ghostTerm[slot] == term[slot >> 1] + 1 ->
#ifdef REACH_LATE_SWAP
        seen = true;
        assert(!seen);
#endif
        land((slot >> 1), ghostTerm[slot], ghostEntry[slot]) }
    :: d_step { ghostTerm[slot] > 0 -> ghostTerm[slot] = 0; ghostEntry[slot] = 0 }
    od
}
#endif

#ifdef CALM
#define BOTH_GOOD_AGAIN(g) (SYNC(entry[g]) == INSYNC \
    && role[2 * (g) + OWNER(entry[g])] == MIRRORED && key[2 * (g) + OWNER(entry[g])] == LIVE \
    && waiting[2 * (g) + OWNER(entry[g])] == 0)
#define NEEDS_FORCE(g) (forgot[2 * (g) + OWNER(entry[g])] \
    && (SYNC(entry[g]) == STALE || forgot[2 * (g) + 1 - OWNER(entry[g])]))
#define SURVIVES(g, i) (role[2 * (g) + (i)] == ALONE || forgot[2 * (g) + (i)] \
    || SYNC(entry[g]) == NEW || (SYNC(entry[g]) == STALE && OWNER(entry[g]) != (i)))
#define CONVERGED(g) ((up[0] && up[1] && (BOTH_GOOD_AGAIN(g) || NEEDS_FORCE(g))) \
    || (gone[0] && SURVIVES(g, 1)) || (gone[1] && SURVIVES(g, 0)))

#if GROUPS == 2
#define ALL_CONVERGED (CONVERGED(0) && CONVERGED(1))
#else
#define ALL_CONVERGED CONVERGED(0)
#endif

proctype Calm() {
    calm = true;
    timeout;
    not_converged = !ALL_CONVERGED;
    assert(!not_converged)
}
#endif

init {
    atomic {
#ifdef FROM_NEW
        term[0] = 1; entry[0] = ENTRY(0, NEW);
        lose_copy(0); lose_copy(1);
#else
        term[0] = 1; entry[0] = ENTRY(0, INSYNC);
#if GROUPS == 2
        term[1] = 1; entry[1] = ENTRY(1, INSYNC);
#endif
#endif
        run Node(0); run Node(1);
        run Group(0); run Group(1);
#if GROUPS == 2
        run Group(2); run Group(3);
#endif
#if LOSSES > 0 || CRASHES > 0
        run LateSwaps(0); run LateSwaps(1);
#if GROUPS == 2
        run LateSwaps(2); run LateSwaps(3);
#endif
#endif
#ifdef CALM
        run Calm()
#endif
    }
}
