using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Loop.Interop;

// Why machine code. A beat that stands still ends the session, so it must say that this process
// runs, and nothing less: not that the collector has just stopped every managed thread, which
// takes 5 ms on a good day and 100 beside a plugin that allocates without a pause. A thread in
// native code is never stopped by it, and the project brings no native library of its own
// (docs/adr/0006). So the beat is these 47 bytes, run by a thread of the C library:
//
//   00  53                push rbx
//   01  48 89 fb          mov  rbx, rdi              ; State
//   04  48 83 7b 10 00    cmp  qword [rbx+16], 0     ; again: Stop
//   09  75 20             jne  2b
//   0b  48 83 7b 08 00    cmp  qword [rbx+8], 0      ; Credit
//   10  7e 0a             jle  1c
//   12  48 ff 4b 08       dec  qword [rbx+8]
//   16  48 8b 03          mov  rax, [rbx]            ; Target
//   19  48 ff 00          inc  qword [rax]
//   1c  48 8d 7b 18       lea  rdi, [rbx+24]         ; Period
//   20  31 f6             xor  esi, esi
//   22  b8 23 00 00 00    mov  eax, 35               ; nanosleep(2)
//   27  0f 05             syscall
//   29  eb d9             jmp  04
//   2b  31 c0             xor  eax, eax
//   2d  5b                pop  rbx
//   2e  c3                ret
//
// The credit is what keeps it honest: whoever owns the beat renews it on each of its turns, and
// an owner that hangs for longer than its credit lasts is seen to hang.

/// <summary>Moves one aligned 8-byte word every period, as long as its credit lasts.</summary>
internal sealed unsafe class BeatThread : IDisposable
{
    private static readonly byte[] Code =
    [
        0x53, 0x48, 0x89, 0xfb, 0x48, 0x83, 0x7b, 0x10, 0x00, 0x75, 0x20, 0x48, 0x83, 0x7b, 0x08,
        0x00, 0x7e, 0x0a, 0x48, 0xff, 0x4b, 0x08, 0x48, 0x8b, 0x03, 0x48, 0xff, 0x00, 0x48, 0x8d,
        0x7b, 0x18, 0x31, 0xf6, 0xb8, 0x23, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xd9, 0x31, 0xc0,
        0x5b, 0xc3,
    ];

    private readonly long credit;
    private readonly nint page;
    private readonly State* state;
    private readonly nint thread;

    /// <summary>
    /// Starts the thread, with the scheduling of the thread that calls this.
    /// </summary>
    /// <param name="word">
    /// What moves: aligned, never moved in memory, and mapped until this is disposed.
    /// </param>
    /// <param name="period">Time between two moves.</param>
    /// <param name="credit">For how long it goes on by itself.</param>
    public BeatThread(ref ulong word, TimeSpan period, TimeSpan credit)
    {
        Invariant.Require(RuntimeInformation.ProcessArchitecture == Architecture.X64);
        this.credit = (long)(credit / period);
        page = MakeCode();
        state = (State*)NativeMemory.AllocZeroed((nuint)sizeof(State));
        fixed (ulong* target = &word)
        {
            Invariant.Require(((nint)target & (sizeof(ulong) - 1)) == 0);
            state->Target = target; // Not an object's: the region's memory is never moved.
        }

        state->Period = new Timespec { Nanoseconds = (long)period.TotalNanoseconds };
        Renew();
        thread = Start();
    }

    /// <summary>The owner has made a turn.</summary>
    public void Renew() => Volatile.Write(ref state->Credit, credit);

    /// <inheritdoc/>
    public void Dispose()
    {
        Volatile.Write(ref state->Stop, 1);
        Invariant.Require(Libc.pthread_join(thread, 0) == 0);
        NativeMemory.Free(state);
        Invariant.Require(Libc.munmap(page, (nuint)Size.Page) == 0);
    }

    private static nint MakeCode()
    {
        nint made = Libc.mmap(0, (nuint)Size.Page, Libc.PROT_READ | Libc.PROT_WRITE,
            Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        Check(made != -1, nameof(Libc.mmap));
        Code.CopyTo(new Span<byte>((void*)made, Code.Length));
        Check(Libc.mprotect(made, (nuint)Size.Page, Libc.PROT_READ | Libc.PROT_EXEC) == 0,
            nameof(Libc.mprotect));
        return made;
    }

    /// <summary>
    /// No signal is this thread's: the runtime's handlers expect threads it knows.
    /// </summary>
    private nint Start()
    {
        ulong* all = stackalloc ulong[SignalSetWords];
        ulong* before = stackalloc ulong[SignalSetWords];
        new Span<ulong>(all, SignalSetWords).Fill(ulong.MaxValue);
        Invariant.Require(Libc.pthread_sigmask(Libc.SIG_SETMASK, all, before) == 0);
        int error = Libc.pthread_create(out nint made, 0, page, state);
        Invariant.Require(Libc.pthread_sigmask(Libc.SIG_SETMASK, before, null) == 0);
        return error == 0 ? made : throw new RefusedException(new Refusal(
            "the beat's thread", "to be made", Marshal.GetPInvokeErrorMessage(error),
            "check the limit of processes of this user"));
    }

    private static void Check(bool good, string call)
    {
        if (!good)
        {
            throw new RefusedException(new Refusal(
                $"{call} for the beat's thread", "success", Marshal.GetLastPInvokeErrorMessage()));
        }
    }

    /// <summary>Words of a sigset_t of glibc.</summary>
    private const int SignalSetWords = 16;

    /// <summary>What the code works on; the offsets are in it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct State
    {
        internal ulong* Target;
        internal long Credit;
        internal long Stop;
        internal Timespec Period;
    }
}
