namespace StorageOs;

/// <summary>
/// A thread whose name is nobody's: Coyote knows those that it schedules by theirs, and one that is
/// given another is not its own any more.
/// </summary>
internal sealed class Thread
{
    [ThreadStatic]
    private static Thread? current;

    private readonly System.Threading.Thread thread;

    public Thread(Action start) => thread = new System.Threading.Thread(() =>
    {
        current = this;
        start();
    });

    /// <summary>The calling thread; null when it was made otherwise.</summary>
    public static Thread? CurrentThread => current;

    public string? Name { get; set; }

    public bool IsBackground
    {
        get => thread.IsBackground;
        set => thread.IsBackground = value;
    }

    public void Start() => thread.Start();

    public void Join() => thread.Join();

    public bool Join(TimeSpan limit) => thread.Join(limit);
}
