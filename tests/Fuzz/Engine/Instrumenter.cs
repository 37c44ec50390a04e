// Rewrites assemblies so that they tell which of their branches run. A probe goes to the start of
// every method and handler and to both sides of every condition. Probes are numbered in the order
// of metadata, so one build has the same numbers wherever it is instrumented, and a run can be
// repeated from its seed; SharpFuzz, which does the same, numbers at random and refuses assemblies
// that are compiled ahead of time, as the product's are.
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Mono.Cecil;
using Mono.Cecil.Cil;
using Mono.Cecil.Rocks;

namespace StorageOs.Fuzz;

/// <summary>Instruments one assembly after the other.</summary>
internal sealed class Instrumenter
{
    private const int WordBytesMax = 32;
    private readonly SortedSet<string> words = new(StringComparer.Ordinal);

    /// <summary>Probes so far.</summary>
    public int Probes { get; private set; }

    /// <summary>
    /// Constants that the code compares with or writes: lines of a type's name and hexadecimal
    /// bytes.
    /// </summary>
    public IEnumerable<string> Words => words;

    /// <summary>Instruments the types of an assembly's file that are chosen, in place.</summary>
    public void Instrument(string path, Func<string, bool> chosen)
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(
            path, new ReaderParameters(ReadingMode.Immediate) { InMemory = true });

        // What was compiled ahead of time still has its IL; only that is kept.
        module.Attributes = ModuleAttributes.ILOnly;
        module.Architecture = TargetArchitecture.I386;
        MethodReference hit = HitOf(module);
        foreach (TypeDefinition type in module.GetTypes())
        {
            if (chosen(type.FullName))
            {
                foreach (MethodDefinition method in type.Methods.Where(m => m.HasBody))
                {
                    TakeWords(type, method);
                    Instrument(method, hit);
                }
            }
        }

        module.Write(path);
    }

    private static MethodReference HitOf(ModuleDefinition module)
    {
        Type own = typeof(Coverage);
        if (module.GetType(own.FullName) is { } inside)
        {
            return inside.Methods.Single(method => method.Name == nameof(Coverage.Hit));
        }

        AssemblyNameReference assembly = new(
            own.Assembly.GetName().Name, own.Assembly.GetName().Version);
        module.AssemblyReferences.Add(assembly);
        TypeReference type = new(own.Namespace, own.Name, module, assembly);
        MethodReference hit = new(nameof(Coverage.Hit), module.TypeSystem.Void, type);
        hit.Parameters.Add(new ParameterDefinition(module.TypeSystem.Int32));
        return hit;
    }

    private void Instrument(MethodDefinition method, MethodReference hit)
    {
        MethodBody body = method.Body;
        body.SimplifyMacros();
        ILProcessor il = body.GetILProcessor();
        foreach (Instruction start in Starts(body))
        {
            // The probe takes the instruction's place, for branches and handlers name that.
            Instruction moved = Instruction.Create(OpCodes.Nop);
            (moved.OpCode, moved.Operand) = (start.OpCode, start.Operand);
            (start.OpCode, start.Operand) = (OpCodes.Ldc_I4, Probes++);
            Instruction call = Instruction.Create(OpCodes.Call, hit);
            il.InsertAfter(start, call);
            il.InsertAfter(call, moved);
        }

        body.OptimizeMacros();
        Promise.Require(Probes <= Coverage.ProbesMax, $"at most {Coverage.ProbesMax} probes");
    }

    private static HashSet<Instruction> Starts(MethodBody body)
    {
        HashSet<Instruction> starts = [body.Instructions[0]];
        foreach (Instruction instruction in body.Instructions)
        {
            if (instruction.OpCode.FlowControl != FlowControl.Cond_Branch)
            {
                continue;
            }

            _ = starts.Add(instruction.Next);
            if (instruction.Operand is Instruction target)
            {
                _ = starts.Add(target);
            }
            else
            {
                starts.UnionWith((Instruction[])instruction.Operand);
            }
        }

        starts.UnionWith(body.ExceptionHandlers.Select(handler => handler.HandlerStart));
        return starts;
    }

    private void TakeWords(TypeDefinition type, MethodDefinition method)
    {
        foreach (Instruction instruction in method.Body.Instructions)
        {
            byte[] word = instruction.Operand switch
            {
                int number when number is < -256 or > 256 => Bytes(number),
                long number => BitConverter.GetBytes(number),
                string text when !text.Contains(' ', StringComparison.Ordinal) =>
                    Encoding.UTF8.GetBytes(text),
                _ => [],
            };
            if (word.Length is > 0 and <= WordBytesMax)
            {
                _ = words.Add($"{type.FullName}\t{Convert.ToHexString(word)}");
            }
        }
    }

    private static byte[] Bytes(int number)
    {
        byte[] bytes = new byte[number is > ushort.MaxValue or < 0 ? 4 : 2];
        if (bytes.Length == 4)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        }
        else
        {
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)number);
        }

        return bytes;
    }

    /// <summary>Reads words back: those of types whose names begin so.</summary>
    public static IEnumerable<byte[]> Read(IEnumerable<string> lines, IReadOnlyList<string> types)
    {
        foreach (string line in lines)
        {
            int tab = line.IndexOf('\t', StringComparison.Ordinal);
            if (types.Any(type => line.StartsWith(type, StringComparison.Ordinal)))
            {
                yield return Convert.FromHexString(line.AsSpan(tab + 1));
            }
        }
    }

    /// <summary>The number of probes as a file keeps it.</summary>
    public static int ReadProbes(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
