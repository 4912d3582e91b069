"""The words of the control tower, in English and Chinese.

Names of statuses come from the status net, those of exceptions, decisions and modes from
`hub/calls/exceptions.md`. Reasons that suppliers and systems give stay as they are.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_WORDS: dict[str, tuple[str, str]] = {
    "tower": ("Control tower", "控制塔"),
    "figures": ("Key figures", "关键指标"),
    "live_page": ("Live values", "实时数据"),
    "plant": ("Plant", "工厂"),
    "takt": ("Takt", "节拍"),
    "connecting": ("Connecting", "连接中"),
    "live": ("Live", "实时"),
    "lost": ("No connection", "连接中断"),
    "old": ("What you see is old. Trying again.", "当前显示为旧数据，正在重连。"),
    "attention": ("Wants attention", "待处理异常"),
    "all_well": ("Nothing wants attention", "无待处理异常"),
    "chain": ("Pearl chain", "珍珠链"),
    "off_line": ("Off the line", "离线车辆"),
    "blocked": ("blocked", "冻结"),
    "passed": ("passed", "已通过"),
    "no_pass": ("no car yet", "尚无车辆"),
    "lines": ("Supplier lines", "供应商产线"),
    "next": ("Next", "下一个"),
    "nothing_next": ("nothing to build", "无待产要货"),
    "to_spare": ("to spare", "裕量"),
    "fit": ("Fit", "装配"),
    "open": ("open", "未完成"),
    "in_racks": ("in racks", "已装架"),
    "under_way": ("under way", "在途"),
    "unacknowledged": ("not on its gateway", "未确认"),
    "gateway": ("Gateway", "网关"),
    "gateways": ("Gateways", "网关"),
    "state": ("State", "状态"),
    "heard": ("Last heard", "最近收到"),
    "version": ("Version", "版本"),
    "configuration": ("Configuration", "配置"),
    "clock": ("Clock", "时钟偏差"),
    "journal": ("Records to come", "待上传记录"),
    "certificate": ("Certificate until", "证书有效期至"),
    "online": ("online", "在线"),
    "offline": ("offline", "离线"),
    "conflict": ("two speak as it", "身份冲突"),
    "shut_out": ("shut out", "已禁用"),
    "blind": ("not heard since", "失联自"),
    "never_heard": ("not heard yet", "尚未上线"),
    "racks": ("Racks", "料架"),
    "trucks": ("Trucks", "卡车"),
    "no_truck": ("no truck on its way", "无在途卡车"),
    "dock": ("Dock", "收货口"),
    "at_dock": ("at the dock", "已到收货口"),
    "leave_by": ("must leave by", "最迟发出"),
    "car": ("Car", "车辆"),
    "cars": ("Cars", "车辆"),
    "call": ("Call", "要货"),
    "calls": ("Calls", "要货"),
    "part": ("Part", "零件"),
    "part_group": ("Part group", "零件组"),
    "rack": ("Rack", "料架"),
    "slot": ("Slot", "架位"),
    "slots": ("Slots", "架位"),
    "serial": ("Serial", "序列号"),
    "scanned": ("Scanned", "扫描"),
    "sequence_no": ("Sequence", "顺序号"),
    "colour": ("Colour", "颜色"),
    "model": ("Model", "车型"),
    "required": ("Required", "需求时间"),
    "called": ("Called", "要货时间"),
    "status": ("Status", "状态"),
    "history": ("History", "履历"),
    "time": ("Time", "时间"),
    "received": ("Received", "接收时间"),
    "who": ("Who", "来源"),
    "event": ("Event", "事件"),
    "said": ("What was said", "内容"),
    "not_applied": ("changes nothing", "未生效"),
    "control_points": ("Control points", "控制点"),
    "shipment": ("Shipment", "发运"),
    "departed": ("Departed", "发车"),
    "eta": ("Expected", "预计到达"),
    "arrived": ("Arrived", "到达"),
    "unloaded": ("Unloaded", "卸货"),
    "returned": ("Returned", "返空"),
    "opened": ("Opened", "打开"),
    "closed": ("Closed", "关闭"),
    "shipped": ("Shipped", "发运"),
    "cars_hit": ("Cars hit", "受影响车辆"),
    "slack": ("To spare", "裕量"),
    "problem": ("Problem", "问题"),
    "receipt": ("Goods receipt", "收货"),
    "matched": ("as called", "相符"),
    "unmatched": ("not as called", "不符"),
    "kept_empty": ("kept empty", "保留空位"),
    "empty": ("empty", "空"),
    "forward": ("slot 1 is fitted first", "1 号位先装配"),
    "reversed": ("last slot is fitted first", "末位先装配"),
    "supplier": ("Supplier", "供应商"),
    "line": ("Line", "产线"),
    "mode": ("Mode", "模式"),
    "modes": ("Modes", "模式"),
    "set_mode": ("Set mode", "切换模式"),
    "reason": ("Reason", "原因"),
    "since": ("Since", "自"),
    "until": ("Until", "至"),
    "set_by": ("Set by", "设定人"),
    "anyway": ("against the rules", "忽略规则"),
    "emergency_stock": ("Emergency stock", "应急库存"),
    "loop": ("In the loop", "循环数量"),
    "next_truck": ("Next truck", "下一班车"),
    "full": ("it is full", "已满载"),
    "first_car": ("its first car cannot wait", "首车不能再等"),
    "waited": ("it has waited enough", "等待时间已到"),
    "what_can_be_done": ("What can be done", "处理建议"),
    "decide": ("Decide", "决定"),
    "decided": ("Decided", "已决定"),
    "note": ("Note", "备注"),
    "by": ("by", "由"),
    "told": ("Told", "已通知"),
    "closes_itself": (
        "closes by itself once its cause is gone",
        "原因消除后自动关闭",
    ),
    "closes_by_person": ("closes with a decision", "决定后关闭"),
    "ended": ("ended", "已结束"),
    "exceptions": ("Exceptions", "异常"),
    "detail": ("Detail", "详情"),
    "about": ("About", "对象"),
    "last_day": ("last 24 hours", "最近 24 小时"),
    "counted": ("counted", "计入"),
    "excluded": ("left out", "不计入"),
    "share": ("good", "合格"),
    "median": ("median", "中位数"),
    "p99": ("99 %", "99 %"),
    "total": ("total", "合计"),
    "adherence": ("Sequence adherence", "排序符合率"),
    "planned": ("by plan", "计划位置"),
    "actual": ("as passed", "实际位置"),
    "exact": ("in its place", "位置准确"),
    "within": ("± 1 place", "偏差 ±1"),
    "in_order": ("in order", "顺序一致"),
    "successors": ("neighbours kept", "相邻保持"),
    "behind": ("behind it", "明细"),
    "none": ("none", "无"),
    "pictures": ("Pictures", "图片"),
    "of_nok": ("not in order", "不合格"),
    "of_wrong_part": ("wrong part", "错件"),
    "fetch": ("Fetch from its gateway", "从网关调取"),
    "save_clip": ("Save the clip", "保存视频"),
    "is_missed": ("none was taken", "未拍摄"),
    "is_dropped": ("its gateway keeps it no longer", "网关已不再保存"),
    "is_asked": ("asked for", "已请求"),
    "is_arriving": ("on its way", "传输中"),
    "is_gone": ("gone at its gateway", "网关上已不存在"),
    "is_failed": ("did not come", "调取失败"),
    "token": ("This hub asks for its token", "请输入访问令牌"),
    "token_unknown": (
        "The hub does not know that token, or no longer",
        "令牌无效或已失效，请重新输入",
    ),
    "show": ("Show", "显示"),
    "back": ("Control tower", "控制塔"),
    "not_set_up": ("This hub is not set up yet", "中心尚未设置完成"),
    "not_found": ("Nothing is known of this", "未找到"),
}
_FIELDS: dict[str, tuple[str, str]] = {
    "asked": ("asked for", "询问事项"),
    "at_line": ("at the line", "到线时间"),
    "blind_since": ("not heard since", "失联自"),
    "built": ("built", "已生产版本"),
    "calls": ("calls", "要货"),
    "calls_at_the_line": ("calls at the line", "产线已收要货"),
    "car": ("car", "车辆"),
    "cars": ("cars", "车辆"),
    "changed": ("changed", "变更"),
    "colour": ("colour", "颜色"),
    "counts": ("what counts", "有效版本"),
    "earliest_at": ("earliest", "最早到货"),
    "earliest_at_line": ("earliest at the line", "最早到线"),
    "eta": ("expected", "预计到达"),
    "first_call_no": ("first call", "首个要货号"),
    "first_car": ("first car", "首车"),
    "first_fit": ("first fit", "首车装配时间"),
    "follows_in": ("follows in", "随后走"),
    "gateway": ("gateway", "网关"),
    "in_time": ("in time", "来得及"),
    "instead": ("instead", "改为"),
    "late_s": ("late, seconds", "晚到（秒）"),
    "leave_by": ("must leave by", "最迟发出"),
    "lines": ("lines", "产线"),
    "means": ("means", "含义"),
    "needs": ("needs", "应为"),
    "offset_s": ("off, seconds", "偏差（秒）"),
    "oldest_at": ("oldest", "最早要货时间"),
    "part_group": ("part group", "零件组"),
    "part_no": ("part", "零件号"),
    "problems": ("problems", "问题"),
    "quantity": ("quantity", "数量"),
    "rack": ("rack", "料架"),
    "reason": ("reason", "原因"),
    "required_at": ("required", "需求时间"),
    "revision": ("revision", "版本"),
    "sequence_no": ("sequence", "顺序号"),
    "serial": ("serial", "序列号"),
    "shipment": ("shipment", "发运"),
    "slack_s": ("to spare", "裕量"),
    "slot": ("slot", "架位"),
    "slots": ("slots", "架位"),
    "verdict": ("verdict", "判定"),
    "what": ("what", "内容"),
    "works_until": ("works until", "可继续至"),
}
"""What events say and exceptions tell in detail, by the name of the field."""
_SOURCES: dict[str, tuple[str, str]] = {
    "plant": ("plant", "整车厂"),
    "gateway": ("gateway", "网关"),
    "supplier": ("supplier", "供应商"),
    "dock": ("dock", "收货口"),
}


def words(language: Language) -> dict[str, str]:
    """All of them in one language."""
    return _in(language, _WORDS)


def fields(language: Language) -> dict[str, str]:
    """What fields of events and exceptions are called; those that are not here keep their name."""
    return _in(language, _FIELDS)


def sources(language: Language) -> dict[str, str]:
    """Who tells of an event."""
    return _in(language, _SOURCES)


def _in(language: Language, texts: dict[str, tuple[str, str]]) -> dict[str, str]:
    at = 0 if language == "en" else 1
    return {name: both[at] for name, both in texts.items()}


def language_of(asked: str | None, accepted: str) -> Language:
    """The language asked for, else the first of the browser's that we speak, else English."""
    if asked in ("en", "zh"):
        return "zh" if asked == "zh" else "en"
    for entry in accepted.split(","):
        name = entry.partition(";")[0].strip().lower().partition("-")[0]
        if name in ("en", "zh"):
            return "zh" if name == "zh" else "en"
    return "en"
