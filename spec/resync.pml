/*
 * Making a stale partner's disk equal while clients write (rule S11, with L3's "moved means flushed").
 *
 * One extent, and everything that happens to it while it is copied: clients write it, the owner's disk
 * writer moves those writes from the log to the disk, the copy reads the disk meanwhile, puts over what
 * it read what stands in the log, and appends that as a record; a second round appends checksums in
 * place of bytes; the partner takes records from its log in order and compares. Extents do not touch
 * each other, so one stands for all.
 *
 * The model is of GroupStore (Volumes) on a resyncing GroupLog. One action is one turn of the storage
 * reactor or one thing a worker or the network does. The register, sessions and crashes are in
 * ownership.pml: a crash ends a copy, and the next begins from the start.
 *
 * What is checked, in every state that can be reached:
 *   differs        when the register is told InSync, the partner's extent, once its log is moved to its
 *                  disk, is the owner's
 *   stale_read     a read by a client while all this goes on shows what was last acknowledged
 *   never_ends     what it ends in is InSync; it has no cycle, so it ends (`pan -l`)
 * Bounds: WRITES writes and READS reads by clients, DROPS writes that the partner's disk loses without saying so.
 */

#ifndef WRITES
#define WRITES 3
#endif
#ifndef READS
#define READS 2
#endif
#ifndef DROPS
#define DROPS 0
#endif
#define RECORDS_MAX (WRITES + 2 * (2 + DROPS) + 1)

/* Records: what kind, and the extent's contents or its checksum, which are one number here. */
#define WRITE 1
#define COPY 2
#define COMPARE 3
byte kind[RECORDS_MAX], contents[RECORDS_MAX];

byte appended;                  /* owner's log; acknowledged while resyncing */
byte landed;                    /* of these, in the partner's log: in order, as posts on one port land */
byte last = 1;                  /* what clients wrote last; the owner's disk has 1 at first */

/* The owner's disk, its overlay (what stands in the log over it), and the disk writer */
byte disk = 1;
byte overlay;                   /* contents; 0 when nothing of the log stands over the disk */
byte overlayAt;                 /* the record it came from, counted from 1 */
byte flushed;                   /* GroupLog.Flushed */
byte flushTo;                   /* the flush under way */
byte flush;                     /* 0 none, 1 running, 2 written, waiting for reads from before it */
byte side;
byte readers[2];

/* Two readers of the disk on a worker: the copy, and a client */
#define FREE 0
#define STARTED 1
#define GOT 2
byte copyRead, copySide, copyGot;
byte clientRead, clientSide, clientGot;
byte reads = READS;

/* The copy */
bool comparing;                 /* second round */
bool copyDone;                  /* this round has appended the extent */
byte compareAt;                 /* the comparison that is waited for, counted from 1; 0 is none */
bool repairing;
bool mirrored;
byte resynced;                  /* what was acknowledged while resyncing ends here */
bool inSync;

/* The partner */
byte partnerDisk;               /* 0: whatever it was */
byte partnerFlushed;
bool mismatch;
byte drops = DROPS;

hidden byte differs, stale_read, never_ends, found;

inline append(what, value) {
    kind[appended] = what;
    contents[appended] = value;
    appended++
}

inline start_read(how, where) {
    how = STARTED;
    where = side;
    readers[side]++
}

#ifdef BREAK_S11_COPY_WITHOUT_OVERLAY
#define SHOWN(got) (got)
#else
#define SHOWN(got) (overlay > 0 -> overlay : got)
#endif

/* What is on the disk now is forgotten by the overlay only when no read from before is under way. */
#ifdef BREAK_L3_OVERLAY_FORGETS_AT_ONCE
#define FLUSH_TAKES_EFFECT (true)
#else
#define FLUSH_TAKES_EFFECT (readers[1 - side] == 0)
#endif

#ifdef BREAK_S11_IN_SYNC_EARLY
#define HOLDS_ALL (true)
#else
#define HOLDS_ALL (landed >= resynced)
#endif

active proctype Owner() {
    byte at, theirs, told, shown;
    do
    /* A client's write: acknowledged as soon as it stands in the own copy, and marked by the register. */
    :: d_step { last <= WRITES ->
        last++;
        append(WRITE, last);
        overlay = last;
        overlayAt = appended }

    /* A client's read: from the disk, then what stands in the log goes over it. */
    :: d_step { clientRead == FREE && reads > 0 -> reads--; start_read(clientRead, clientSide) }
    :: d_step { clientRead == GOT ->
        readers[clientSide]--;
        clientRead = FREE;
        stale_read = (overlay > 0 -> overlay : clientGot) != last;
        assert(!stale_read);
        clientGot = 0; clientSide = 0 }

    /* The disk writer: what is acknowledged; copies come from this disk. */
    :: d_step { flush == 0 && flushed < appended -> flush = 1; flushTo = appended }
    :: d_step { flush == 2 && FLUSH_TAKES_EFFECT ->
        flush = 0;
        flushed = flushTo;
        if
        :: overlayAt <= flushTo -> overlay = 0; overlayAt = 0
        :: else
        fi;
        flushTo = 0 }

    /* The copy: read, put together, append in one turn; then the same with checksums. */
    :: d_step { !copyDone && copyRead == FREE && compareAt == 0 && !mirrored ->
        start_read(copyRead, copySide) }
    :: d_step { copyRead == GOT ->
        readers[copySide]--;
        copyRead = FREE;
        shown = SHOWN(copyGot);
        if
        :: !comparing || repairing -> append(COPY, shown)
        :: else
        fi;
        if
        :: comparing -> append(COMPARE, shown); compareAt = appended
        :: else
        fi;
        repairing = false;
        copyDone = true;
        shown = 0; copyGot = 0; copySide = 0 }
#ifdef BREAK_S11_NO_COMPARISON
    :: d_step { copyDone && !comparing && partnerFlushed == appended ->
        comparing = true; mirrored = true; resynced = appended }
#else
    :: d_step { copyDone && !comparing -> comparing = true; copyDone = false }
#endif
    :: d_step { compareAt > 0 && partnerFlushed >= compareAt ->
        compareAt = 0;
        if
        :: mismatch -> mismatch = false; repairing = true; copyDone = false
        :: else -> mirrored = true; resynced = appended
        fi }

    /* Mirrored rules hold for all that was acknowledged, and only then InSync. */
    :: d_step { mirrored && !inSync && HOLDS_ALL ->
        inSync = true;
        /* What the partner would have if it took over now, and what clients were told. */
        theirs = partnerDisk;
        told = 1;
        at = 0;
        do
        :: at < appended ->
            if
            :: kind[at] != COMPARE && at >= partnerFlushed && at < landed -> theirs = contents[at]
            :: else
            fi;
            if
            :: kind[at] == WRITE && (at < resynced || at < landed) -> told = contents[at]
            :: else
            fi;
            at++
        :: else -> break
        od;
        differs = theirs != told;
        assert(!differs);
        at = 0; theirs = 0; told = 0 }
    od
}

/* Workers: the moment at which the disk is read or written is theirs. */
active proctype Disk() {
    byte at;
    do
    :: d_step { copyRead == STARTED -> copyRead = GOT; copyGot = disk }
    :: d_step { clientRead == STARTED -> clientRead = GOT; clientGot = disk }
    :: d_step { flush == 1 ->
        at = flushed;
        do
        :: at < flushTo ->
            if
            :: kind[at] == WRITE -> disk = contents[at]
            :: else
            fi;
            at++
        :: else -> break
        od;
        at = 0;
        flush = 2;
        side = 1 - side }
    od
}

active proctype Partner() {
    do
    :: d_step { landed < appended -> landed++ }
    :: d_step { partnerFlushed < landed ->
        if
        :: kind[partnerFlushed] == COMPARE ->
            mismatch = mismatch || partnerDisk != contents[partnerFlushed]
        :: else -> partnerDisk = contents[partnerFlushed]
        fi;
        partnerFlushed++;
        differs = inSync && partnerFlushed == appended && partnerDisk != last;
        assert(!differs) }
    /* A write that the disk says it took and did not, while there is still a comparison to come. */
    :: d_step { drops > 0 && partnerFlushed < landed && kind[partnerFlushed] != COMPARE && !mirrored &&
            (compareAt == 0 || partnerFlushed + 1 < compareAt) ->
        drops--;
        partnerFlushed++ }
    od
}

active proctype End() {
    timeout;
    never_ends = !inSync;
    assert(!never_ends);
#ifdef REACH_WRITE_DURING_COPY
    found = kind[0] == WRITE && kind[1] == COPY && contents[1] == contents[0] && kind[2] == WRITE;
    assert(!found);
#endif
    skip
}
