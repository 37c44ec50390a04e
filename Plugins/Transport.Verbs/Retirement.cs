using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Destroys queue pairs that are in error and have completed all their work: nothing reaches memory
/// by them any more. A driver waits in there until the last packet has left, and soft RoCE beside a
/// partner that was paused does so for up to 50 s; who closes a port has no such time, for
/// everybody is told of a loss after that. Any thread.
/// </summary>
internal sealed class Retirement : IDisposable
{
    private readonly object gate = new(); // Not a Lock: the thread waits on it.
    private readonly Queue<QueuePair> waiting = new();
    private Thread? thread;
    private bool ended;
    private volatile string failure = "";

    /// <summary>What could not be destroyed last; empty while there is nothing such.</summary>
    public string Failure => failure;

    /// <summary>
    /// Destroys a pair, sooner or later; at once when as many wait as may, or after the end.
    /// </summary>
    public void Take(QueuePair pair)
    {
        lock (gate)
        {
            if (!ended && waiting.Count < Limits.RetiringMax)
            {
                waiting.Enqueue(pair);
                if (thread is null)
                {
                    thread = new Thread(Run) { IsBackground = true, Name = "verbs retire" };
                    thread.Start();
                }

                Monitor.Pulse(gate);
                return;
            }
        }

        pair.Dispose();
    }

    /// <summary>Destroys all that wait, and ends.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            ended = true;
            Monitor.Pulse(gate);
        }

        thread?.Join();
    }

    private void Run()
    {
        while (Next() is { } pair)
        {
            try
            {
                pair.Dispose();
            }
            catch (RefusedException refused)
            {
                failure = refused.Message; // Told with the path of the connection.
            }
        }
    }

    private QueuePair? Next()
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !ended)
            {
                Monitor.Wait(gate);
            }

            return waiting.TryDequeue(out QueuePair? next) ? next : null;
        }
    }
}
