using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;

namespace StorageOs.Transport.Tests;

/// <summary>How access over TCP ends, step by step: no race has to be hit.</summary>
public sealed class GrantTests
{
    private const RemoteAccess Both = RemoteAccess.Read | RemoteAccess.Write;

    [Fact]
    public void A_revocation_waits_for_the_access_under_way_and_no_longer()
    {
        using IDisposable held = MappedMemory.Anonymous(Size.Page);
        MappedMemory memory = (MappedMemory)held;
        Usage[] users = [new Usage(), new Usage()];
        GrantTable grants = new(users);
        Grant grant = grants.Add(0, memory, Size.Page, Both);
        Assert.True(users[1].TryEnter(grants.Find(grant.Key)));
        Thread revoker = new(() => grants.Revoke(grant));
        revoker.Start();
        Assert.False(revoker.Join(50), "revoked under the hands of a service thread");

        // It has begun, so nothing else may begin.
        Assert.False(users[0].TryEnter(grant));
        Assert.Null(grants.Find(grant.Key));
        users[1].Leave();
        Assert.True(revoker.Join(5000), "waits for nobody");
        grants.Revoke(grant);
    }

    [Fact]
    public void An_access_to_something_else_is_not_waited_for()
    {
        using IDisposable held = MappedMemory.Anonymous(Size.Page);
        MappedMemory memory = (MappedMemory)held;
        Usage user = new();
        GrantTable grants = new([user]);
        Grant busy = grants.Add(0, memory, Size.Page, Both);
        Grant other = grants.Add(0, memory, Size.Page, Both);
        Assert.True(user.TryEnter(busy));
        grants.Revoke(other);
        Assert.Equal(
            CompletionStatus.RemoteAccessError,
            grants.Write(new Usage(), other.Key, 0, new byte[8]));
        Assert.Equal(
            CompletionStatus.Success, grants.Write(new Usage(), busy.Key, 0, new byte[8]));
    }
}
