"""How a maker's OPC UA server is told to trust this gateway, where that is known."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.cli.words import Catalogue
from edge.discover.opcua import Server

words = Catalogue(
    {
        "siemens": (
            "Siemens S7: in TIA Portal import the file under Security features, Certificate "
            "manager; then in the CPU's properties, OPC UA, Server, Security, Secure channel add "
            "it to the trusted clients, and download.",
            "西门子 S7：在 TIA Portal 的“安全功能 > 证书管理器”导入该文件，再于 CPU 属性"
            "“OPC UA > 服务器 > Security > Secure channel”加入受信任的客户端并下载。",
        ),
        "kepware": (
            "Kepware: OPC UA Configuration Manager, Trusted Clients: select it, Trust; or Import.",
            "Kepware：OPC UA Configuration Manager > Trusted Clients，选中后点 Trust，或 Import。",
        ),
        "ignition": (
            "Ignition: Config, OPC UA, Security, Server: Trust it among the quarantined ones.",
            "Ignition：Config > OPC UA > Security > Server，在隔离证书中点 Trust。",
        ),
        "prosys": (
            "Prosys: Certificates, OPC UA: right click the gateway, Trust.",
            "Prosys：Certificates > OPC UA，右键该网关，选 Trust。",
        ),
        "beckhoff": (
            "Beckhoff TF6100: move it from the server's folder PKI/CA/rejected to "
            "PKI/CA/trusted/certs, or trust it in the OPC UA configurator.",
            "倍福 TF6100：把它从服务器的 PKI/CA/rejected 移到 PKI/CA/trusted/certs，"
            "或在 OPC UA 配置器中信任。",
        ),
        "node_opcua": (
            "node-opcua: move it from the server's folder pki/rejected to pki/trusted/certs.",
            "node-opcua：把它从服务器的 pki/rejected 移到 pki/trusted/certs。",
        ),
        "unified": (
            "Unified Automation: move it from the server's folder rejected to trusted/certs "
            "(pkiserver), or trust it in its configuration tool.",
            "Unified Automation：把它从服务器 pkiserver 的 rejected 移到 trusted/certs，"
            "或在其配置工具中信任。",
        ),
    }
)
_MAKERS = {
    "siemens": r"siemens|simatic|\bs7[-_. ]?1[25]00",
    "kepware": r"kepware|kepserver|thingworx",
    "ignition": r"inductiveautomation|ignition",
    "prosys": r"prosys",
    "beckhoff": r"beckhoff|twincat",
    "node_opcua": r"node-?opcua",
    "unified": r"unifiedautomation|unified automation",
}


def trust_step(servers: Iterable[Server]) -> str:
    """What to do at a server that does not trust this gateway; empty if its maker is not known."""
    told = " ".join(f"{server.uri} {server.product_uri} {server.name}" for server in servers)
    for key, pattern in _MAKERS.items():
        if re.search(pattern, told, re.IGNORECASE):
            return words(key)
    return ""
