using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>Makes a plugin's client as the host makes it: from what the plugin registers.</summary>
internal sealed class PairHost : IPluginRegistry, IAsyncDisposable
{
    private readonly ServiceProvider provider;

    /// <summary>Makes it.</summary>
    public PairHost(
        IPlugin plugin, NodeInfo node, IReactor reactor, Action<string> log,
        ClientPairOptions options)
    {
        IConfiguration settings = new ConfigurationBuilder()
            .AddInMemoryCollection(options.Settings).Build();
        _ = Services.AddSingleton<ILoggerFactory>(new PairLogs(log))
            .AddSingleton(typeof(ILogger<>), typeof(Logger<>))
            .AddSingleton(settings)
            .AddSingleton(node)
            .AddSingleton(reactor)
            .AddSingleton<IHandoverVetoes>(new PairVetoes());
        options.Services?.Invoke(Services, node);
        plugin.Register(this);
        provider = Services.BuildServiceProvider();
        IClient[] clients = [.. provider.GetServices<IClient>()];
        Client = clients.Length == 1 ? clients[0] : throw new RefusedException(new(
            $"{plugin.GetType().Name}", "one IClient among its services", $"{clients.Length}"));
    }

    /// <inheritdoc/>
    public IServiceCollection Services { get; } = new ServiceCollection();

    /// <summary>The client.</summary>
    public IClient Client { get; }

    /// <inheritdoc/>
    public void Provide<TService>()
        where TService : class
    {
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => provider.DisposeAsync();
}

/// <summary>Takes down what the client logs.</summary>
internal sealed class PairLogs(Action<string> log) : ILoggerFactory
{
    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(log);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class Logger(Action<string> log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log(formatter(state, exception));
            }
        }
    }
}

/// <summary>What the client has against planned moves; nothing moves here.</summary>
internal sealed class PairVetoes : IHandoverVetoes
{
    private readonly List<HandoverVeto> all = [];

    /// <inheritdoc/>
    public IReadOnlyList<HandoverVeto> All
    {
        get
        {
            lock (all)
            {
                return [.. all];
            }
        }
    }

    /// <inheritdoc/>
    public IDisposable Veto(GroupId? group, string why, string remedy)
    {
        lock (all)
        {
            if (all.Count == IHandoverVetoes.PerModuleMax || string.IsNullOrEmpty(why)
                || string.IsNullOrEmpty(remedy))
            {
                throw new RefusedException(new(
                    "a veto", $"a reason, a remedy and less than {IHandoverVetoes.PerModuleMax}",
                    $"\"{why}\", \"{remedy}\" and {all.Count}"));
            }

            HandoverVeto veto = new("client", group, why, remedy, DateTimeOffset.UnixEpoch);
            all.Add(veto);
            return new Ending(all, veto);
        }
    }

    private sealed class Ending(List<HandoverVeto> all, HandoverVeto veto) : IDisposable
    {
        public void Dispose()
        {
            lock (all)
            {
                _ = all.Remove(veto);
            }
        }
    }
}
