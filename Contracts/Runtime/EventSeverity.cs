namespace StorageOs.Contracts.Runtime;

/// <summary>How much an event matters to whoever operates a pair.</summary>
public enum EventSeverity
{
    /// <summary>It helps to understand what came before and after it.</summary>
    Information = 1,

    /// <summary>Ordinary and worth knowing: something moved, or is whole again.</summary>
    Notice = 2,

    /// <summary>The pair goes on, with less in reserve or not as it was asked to.</summary>
    Warning = 3,

    /// <summary>Something has failed and a person is to look.</summary>
    Error = 4,

    /// <summary>This node does not go on.</summary>
    Critical = 5,
}
